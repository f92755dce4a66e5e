//! How long a request may take. A phone on a slow line may take its time as long as something comes: what counts is
//! silence. From the last bytes of its body on, the answer has to begin within the same time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep_until};

use super::error::{ApiError, TIMED_OUT};

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Without a byte of the body, and from its last one to the answer.
    pub silence: Duration,
    /// Altogether, however busy the line: connections are finite.
    pub whole: Duration,
}

impl Default for Patience {
    /// A minute; and for all a quarter of an hour, in which a line of 1.2 kB/s brings the 1 MiB of one push.
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), whole: Duration::from_secs(15 * 60) }
    }
}

/// Answers for whoever takes too long. What was not committed by then is not done.
pub async fn wait(State(patience): State<Patience>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let heard = Arc::new(Mutex::new(started));
    let hearing = Arc::clone(&heard);
    let request = request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            *hearing.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            frame
        }))
    });
    let answering = next.run(request);
    tokio::pin!(answering);
    loop {
        let last = *heard.lock().unwrap_or_else(PoisonError::into_inner);
        let until = (last + patience.silence).min(started + patience.whole);
        tokio::select! {
            biased;
            response = &mut answering => return response,
            () = sleep_until(until) => {}
        }
        let heard_since = *heard.lock().unwrap_or_else(PoisonError::into_inner) > last;
        if !heard_since || started.elapsed() >= patience.whole {
            return ApiError::from(TIMED_OUT).into_response();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use futures_util::stream;
    use tower::ServiceExt as _;

    use super::*;

    const PATIENCE: Patience = Patience { silence: Duration::from_secs(60), whole: Duration::from_secs(900) };

    /// Sends so many pieces, one after each pause; the handler then works for a while.
    async fn sent(pieces: usize, pause_s: u64, work_s: u64) -> StatusCode {
        let work = move |_: Bytes| async move { tokio::time::sleep(Duration::from_secs(work_s)).await };
        let router = Router::new().fallback(work).layer(from_fn_with_state(PATIENCE, wait));
        let body = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(pause_s)).await;
            (sent < pieces).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"piece")), sent + 1))
        });
        let request = Request::post("/").body(Body::from_stream(body)).expect("a request");
        router.oneshot(request).await.expect("an answer").status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_is_waited_for_and_a_silent_one_is_not() {
        assert_eq!(sent(10, 59, 0).await, StatusCode::OK, "ten minutes in all");
        assert_eq!(sent(1, 61, 0).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(sent(14, 59, 0).await, StatusCode::OK, "885 seconds");
        assert_eq!(sent(15, 59, 0).await, StatusCode::SERVICE_UNAVAILABLE, "944 seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_has_as_long_again() {
        assert_eq!(sent(3, 1, 58).await, StatusCode::OK);
        assert_eq!(sent(3, 1, 60).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
