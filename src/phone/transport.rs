//! How a phone reaches a server: over HTTP, or by calling the router in the same process.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use tower::ServiceExt as _;

/// The longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// No answer came: whether the request was carried out is not known.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {0}")]
pub struct NoAnswer(pub String);

/// Sends one request and gives the whole answer.
pub trait Transport: Send + Sync {
    /// The request's URI has path and query only.
    ///
    /// # Errors
    /// [`NoAnswer`] if none came.
    fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> impl Future<Output = Result<Response<Vec<u8>>, NoAnswer>> + Send;

    /// Lets a while pass before the same is sent again.
    fn pause(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// Over HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    url: String,
}

impl Http {
    /// To the server at this address, without a trailing slash.
    ///
    /// # Errors
    /// [`NoAnswer`] if no client can be made.
    pub fn new(url: &str) -> Result<Self, NoAnswer> {
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build();
        let client = client.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }
}

impl Transport for Http {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let (parts, body) = request.into_parts();
        let url = format!("{}{}", self.url, parts.uri);
        let sent = self.client.request(parts.method, url).headers(parts.headers).body(body).send().await;
        let answer = sent.map_err(|error| NoAnswer(error.to_string()))?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.extend(answer.headers().clone());
        }
        let bytes = answer.bytes().await.map_err(|error| NoAnswer(error.to_string()))?;
        response.body(bytes.to_vec()).map_err(|error| NoAnswer(error.to_string()))
    }
}

/// Without a socket, through the whole router.
#[derive(Debug, Clone)]
pub struct InProcess(pub Router);

impl Transport for InProcess {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let request = request.map(Body::from);
        let response = self.0.clone().oneshot(request).await.map_err(|error| NoAnswer(error.to_string()))?;
        let (parts, body) = response.into_parts();
        let bytes =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(Response::from_parts(parts, bytes.to_vec()))
    }
}
