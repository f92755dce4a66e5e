//! A phone's standing with the server: key, tokens, nonce; requests with proofs.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Phone, PhoneError, Transport};
use crate::api::enrolments::{EnrolmentAnswer, EnrolmentRequest, NewDevice, NewParty};
use crate::auth::phone_key::PhoneKey;

/// Requests of one call: the first, one with a fresh nonce, one with a fresh token, and one more.
const TRIES_MAX: usize = 4;

/// Key, tokens and nonce.
pub struct Session<T> {
    pub transport: T,
    pub key: PhoneKey,
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
    public_url: String,
    nonce: Option<String>,
    proofs: u64,
}

impl<T: Transport> Session<T> {
    /// A session that is not enrolled yet.
    pub fn new(transport: T, public_url: &str, key: PhoneKey) -> Self {
        Self {
            transport,
            key,
            access_token: None,
            refresh_token: None,
            public_url: public_url.to_owned(),
            nonce: None,
            proofs: 0,
        }
    }

    /// One request with proof, and token if there is one; a stale nonce or token is renewed on the way.
    ///
    /// # Errors
    /// [`PhoneError::NoAnswer`], or what refreshing answers.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
        now_ms: i64,
    ) -> Result<Response<Vec<u8>>, PhoneError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        self.send(path, request, now_ms).await
    }

    /// As [`Session::call`], with the headers, method and body of a request.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn send(
        &mut self,
        path: &str,
        request: Request<Vec<u8>>,
        now_ms: i64,
    ) -> Result<Response<Vec<u8>>, PhoneError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let token = self.access_token.clone();
            let response = self.once(path, request.clone(), token.as_deref(), now_ms).await?;
            if response.status() != StatusCode::UNAUTHORIZED || tries == TRIES_MAX {
                return Ok(response);
            }
            match code(&response).as_deref() {
                Some("use_dpop_nonce") => {}
                Some("token_expired" | "token_invalid") if self.refresh_token.is_some() => {
                    self.refresh(now_ms).await?;
                }
                _ => return Ok(response),
            }
        }
    }

    async fn once(
        &mut self,
        path: &str,
        mut request: Request<Vec<u8>>,
        token: Option<&str>,
        now_ms: i64,
    ) -> Result<Response<Vec<u8>>, PhoneError> {
        self.proofs += 1;
        let plain = path.split('?').next().unwrap_or_default();
        let url = format!("{}{plain}", self.public_url);
        let jti = format!("{}-{}", self.proofs, now_ms);
        let nonce = self.nonce.as_deref();
        let proof = self.key.proof(request.method().as_str(), &url, nonce, token, now_ms / 1_000, &jti)?;
        let unreadable = |error: &dyn std::fmt::Display| PhoneError::Answer(error.to_string());
        *request.uri_mut() = path.parse().map_err(|error| unreadable(&error))?;
        if request.body().is_empty() {
            request.headers_mut().remove(CONTENT_TYPE);
        }
        let mut put = |name: HeaderName, text: String| {
            let value = HeaderValue::try_from(text).map_err(|error| unreadable(&error))?;
            request.headers_mut().insert(name, value);
            Ok::<_, PhoneError>(())
        };
        put(HeaderName::from_static("dpop"), proof)?;
        if let Some(token) = token {
            put(AUTHORIZATION, format!("DPoP {token}"))?;
        }
        let response = self.transport.send(request).await?;
        if let Some(nonce) = response.headers().get("dpop-nonce").map(HeaderValue::to_str) {
            self.nonce = nonce.ok().map(str::to_owned).or(self.nonce.take());
        }
        Ok(response)
    }

    /// Gets a fresh access token.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] if the refresh token has ended; the phone keeps its data.
    pub async fn refresh(&mut self, now_ms: i64) -> Result<(), PhoneError> {
        let token = self.refresh_token.clone().ok_or(PhoneError::NotEnrolled)?;
        let form = format!("grant_type=refresh_token&refresh_token={token}").into_bytes();
        let kind = "application/x-www-form-urlencoded";
        for last in [false, true] {
            let mut request = Request::new(form.clone());
            *request.method_mut() = Method::POST;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let response = self.once("/oauth/token", request, None, now_ms).await?;
            if response.status().is_success() {
                let answer: crate::api::oauth::TokenAnswer = read(&response)?;
                self.access_token = Some(answer.access_token);
                return Ok(());
            }
            let error: crate::api::oauth::TokenError = read(&response)?;
            if last || error.error != "use_dpop_nonce" {
                return Err(PhoneError::Refused {
                    status: response.status().as_u16(),
                    code: error.error,
                    detail: error.error_description,
                });
            }
        }
        Err(PhoneError::NotEnrolled)
    }
}

impl<T: Transport> Phone<T> {
    /// Redeems an invitation; what was recorded before stays and is pushed at the next sync.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] with the server's code.
    pub async fn enrol(&mut self, invitation: &str) -> Result<EnrolmentAnswer, PhoneError> {
        let request = EnrolmentRequest {
            invitation: invitation.to_owned(),
            device: NewDevice { id: self.device, name: format!("{}'s phone", self.name) },
            party: NewParty { id: self.party, name: self.name.clone() },
            daybook_id: self.own,
        };
        self.session.access_token = None;
        let answer: EnrolmentAnswer = self.post("/v1/enrolments", &request).await?;
        self.session.access_token = Some(answer.access_token.clone());
        self.session.refresh_token = Some(answer.refresh_token.clone());
        Ok(answer)
    }

    /// Any GET of the API.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] with the problem's code.
    pub async fn get<A: DeserializeOwned>(&mut self, path: &str) -> Result<A, PhoneError> {
        self.json(Method::GET, path, Vec::new()).await
    }

    /// Any POST of the API, in JSON.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] with the problem's code.
    pub async fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, PhoneError> {
        let body = serde_json::to_vec(body).map_err(|error| PhoneError::Answer(error.to_string()))?;
        self.json(Method::POST, path, body).await
    }

    async fn json<A: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<A, PhoneError> {
        let response = self.request(method, path, "application/json", body).await?;
        read(&response)
    }

    /// Any request; an answer that is not good becomes an error.
    ///
    /// # Errors
    /// [`PhoneError::Offline`], [`PhoneError::Refused`] with the problem's code.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Response<Vec<u8>>, PhoneError> {
        self.request_with(method, path, kind, body, &[]).await
    }

    /// As [`Phone::request`], with further headers.
    ///
    /// # Errors
    /// As [`Phone::request`].
    pub async fn request_with(
        &mut self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Vec<u8>>, PhoneError> {
        if self.offline {
            return Err(PhoneError::Offline);
        }
        let mut request = Request::builder().method(method).header(CONTENT_TYPE, kind);
        for (name, text) in headers {
            request = request.header(name, text);
        }
        let request = request.body(body).map_err(|error| PhoneError::Answer(error.to_string()))?;
        let response = self.session.send(path, request, self.now_ms).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            return Err(PhoneError::Wait {
                seconds: seconds.and_then(|text| text.parse().ok()).unwrap_or(60),
            });
        }
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        Err(PhoneError::Refused {
            status: response.status().as_u16(),
            code: text("code"),
            detail: text("detail"),
        })
    }
}

fn code(response: &Response<Vec<u8>>) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
    problem.get("code")?.as_str().map(str::to_owned)
}

fn read<A: DeserializeOwned>(response: &Response<Vec<u8>>) -> Result<A, PhoneError> {
    serde_json::from_slice(response.body()).map_err(|error| PhoneError::Answer(error.to_string()))
}
