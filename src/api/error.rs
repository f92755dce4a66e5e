//! The only place where an error becomes a status: RFC 9457 problems with a stable `code`.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::flows::FlowError;

/// One code: its status, its title, and what a client does about it. `/docs/errors` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    pub advice: &'static str,
}

macro_rules! codes {
    ($($name:ident: $status:literal $code:literal $title:literal $advice:literal;)*) => {
        $(pub const $name: Code = Code { code: $code, status: $status, title: $title, advice: $advice };)*
        /// Every code there is, in the order of its status.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    BODY_UNREADABLE: 400 "body_unreadable" "The body cannot be read" "Send well-formed JSON or CBOR, whole, as the Content-Type says; detail tells where reading stopped.";
    ENCODING_UNREADABLE: 400 "encoding_unreadable" "The compressed body cannot be inflated" "Send the body again, whole, in the Content-Encoding that the header names.";
    CURSOR_INVALID: 400 "cursor_invalid" "The cursor is not one of ours" "Use a cursor exactly as an answer of this list gave it, or start without one.";
    QUERY_INVALID: 400 "query_invalid" "A query parameter cannot be read" "Correct the parameter that errors names as ?name; detail says what it takes.";
    TOKEN_MISSING: 401 "token_missing" "A token is needed" "Send Authorization: DPoP … (phones) or Authorization: Bearer … (personal tokens).";
    TOKEN_INVALID: 401 "token_invalid" "The token is not valid here" "Refresh the access token at /oauth/token, or make a new personal token. Write Bearer before a personal token, and DPoP before that of a phone. Keep your data.";
    TOKEN_EXPIRED: 401 "token_expired" "The token has expired" "Refresh the access token at /oauth/token. Keep your data.";
    DEVICE_REVOKED: 401 "device_revoked" "This device was revoked" "Keep your data, make a new key, and enrol again with a new invitation.";
    DPOP_INVALID: 401 "dpop_invalid" "The DPoP proof does not fit this request" "Make a new proof for this method and address with the enrolled key (RFC 9449).";
    USE_DPOP_NONCE: 401 "use_dpop_nonce" "The DPoP proof needs a nonce" "Send the request again with the nonce of the DPoP-Nonce header in the proof.";
    INSUFFICIENT_SCOPE: 403 "insufficient_scope" "The token may not do this" "Use a grant with the scope named in detail, held by somebody with the role for it.";
    NOT_FOUND: 404 "not_found" "There is no such thing" "Check the address, and the id in it: it is a lower-case UUID of something that your token may see.";
    INVITATION_INVALID: 404 "invitation_invalid" "The invitation is not valid" "Ask for a new invitation: this one is mistyped, expired or was taken back.";
    METHOD_NOT_ALLOWED: 405 "method_not_allowed" "This address does not know the method" "Use a method that the Allow header names; the reference lists them for each address.";
    ID_REUSED: 409 "id_reused" "The id belongs to something with other content" "Send exactly what was sent first, or make a new id.";
    CHANGE_ID_REUSED: 409 "change_id_reused" "The change id was sent with another content" "Send exactly what was sent first, or make a new change id.";
    VERSION_UNKNOWN: 409 "version_unknown" "The activity never had such a version" "Send as base_version the version that the activity showed when it was read.";
    REFUSED: 409 "refused" "The daybook does not take the change" "See detail for the rule that it breaks; nothing was written.";
    INVITATION_USED: 409 "invitation_used" "The invitation was used by another device" "Ask for a new invitation: each enrols one device. The device that used it may send the same again for a day.";
    KEY_REUSED: 409 "key_reused" "The key belongs to a device that is enrolled already" "Make a new key pair for this enrolment; the old one stays with the device that has it.";
    PARTY_MET: 409 "party_met" "Others have recorded for this phone's party id" "Ask a coordinator for the invitation: what belongs to an id moves only where somebody else has seen whose it is.";
    PERIOD_OVERLAPS: 409 "period_overlaps" "Some of the days are in a closed period" "See GET /v1/periods for those that are closed, and close days that none of them holds.";
    SAME_PARTY: 409 "same_party" "It takes two parties" "Name two: nobody is an alias of themselves, nor a member.";
    ALIAS_ELSEWHERE: 409 "alias_elsewhere" "It is an alias of another party" "See detail for the party that it stands for; an alias stays what it is.";
    IS_ALIAS: 409 "is_alias" "The id is an alias" "Use the id in detail: that of the party that it stands for.";
    NOT_RESIDENTS: 409 "not_residents" "Only residents can be that" "Name residents whom the neighbourhood knows: a group or an organisation keeps its account, and acts through its members.";
    NOT_A_GROUP: 409 "not_a_group" "Only a group or an organisation can be that" "Name a group or an organisation: a resident writes down for others as a member of one, or as a coordinator.";
    LAST_COORDINATOR: 409 "last_coordinator" "Somebody has to coordinate" "Give the role to somebody else first, who has a phone that syncs or a token with manage: a neighbourhood is never without a coordinator.";
    OWN_CREDIT: 409 "own_credit" "It would credit you" "Ask another coordinator: nobody decides about minutes that go to themselves.";
    ACCOUNT_HOLDS: 409 "account_holds" "This account cannot be closed" "Close the account of a resident, a group or an organisation: this one holds what belongs to nobody by name, and takes in what the others leave.";
    NOT_NAMED: 409 "not_named" "It is no record of somebody else that concerns you" "Only whom somebody else's record names, or concerns by what was decided, declines or accepts; change or withdraw what is your own.";
    TOO_MANY_GRANTS: 409 "too_many_grants" "You have as many personal tokens as one may have" "Revoke one that you no longer use (DELETE /v1/grants/{id}), from one of your devices; those of your devices do not count, and what has expired does not either.";
    TOO_MANY_REPLIES: 409 "too_many_replies" "Enough was said about this record" "Talk to each other: no more replies are taken about it. A coordinator can still decide.";
    NOT_A_SANDBOX: 409 "not_a_sandbox" "The neighbourhood is a real one" "Move the clock of a neighbourhood that was created with sandbox: true, or of the demo; here, time passes by itself.";
    PREVIEW_CHANGED: 409 "preview_changed" "It would do something else than the preview said" "Nothing was written. See errors for the items that would do something else, or are refused, and present for what all of them would do now; decide on that, with a new preview.";
    LEASED: 409 "leased" "Somebody else is at this card" "Take another card, or send take_over if they are away; the lease ends by itself after ten minutes.";
    VERSION_CHANGED: 409 "version_changed" "It has changed since you saw it" "Read it again, show what is there now, and decide on that; do not send the same again.";
    GONE: 410 "gone" "It was there and is erased" "Remove it on your side too, and do not send it again: what is erased stays erased.";
    CURSOR_EXPIRED: 410 "cursor_expired" "What you follow from is no longer there" "List the objects again to the end, and follow from the list's events_after.";
    PRECONDITION_FAILED: 412 "precondition_failed" "It has changed since you saw it" "See present for how it is now; send the request again with its ETag, or an edit of an activity without If-Match to have both merged.";
    BODY_TOO_LARGE: 413 "body_too_large" "The body is too large" "Send less at a time, such as fewer changes in a sync or fewer items in a batch: detail names the limit.";
    MEDIA_TYPE_UNSUPPORTED: 415 "media_type_unsupported" "The body's type is not known here" "Send application/json, or application/cbor where the reference says so; encodings: zstd, br, gzip.";
    RANGE_NOT_SATISFIABLE: 416 "range_not_satisfiable" "The range lies outside" "Ask for a range within the Content-Range of this answer.";
    FIELD_INVALID: 422 "field_invalid" "A field does not fit" "See errors: each names the field by JSON pointer and says what is wrong; detail says what to write instead, for the first.";
    PRECONDITION_REQUIRED: 428 "precondition_required" "It must be said what was seen" "Read it, and send its etag as If-Match: so nobody's change is lost.";
    RATE_LIMITED: 429 "rate_limited" "Too many bytes were pushed in a while" "Keep everything, and send the request again after Retry-After seconds; nothing was written.";
    TOO_MANY_STREAMS: 429 "too_many_streams" "Too many streams are open with this token" "Close a stream that nobody reads, or wait Retry-After seconds; one stream brings all events.";
    INTERNAL: 500 "internal" "Something failed on our side" "Send the request again later; it changes nothing twice. Quote request_id to the operator.";
    BUSY: 503 "busy" "Too much at once" "Send the request again after Retry-After seconds; nothing was written.";
    TIMED_OUT: 503 "timed_out" "It took too long" "Send the very same request again after Retry-After seconds: it may have been done, and counts once.";
}

/// One field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the request's body, or `?name` for a query parameter.
    #[schema(example = "/daybooks/0/id")]
    pub pointer: String,
    /// Stable code.
    #[schema(example = "unknown_field")]
    pub code: String,
}

/// What every error answers with (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Page about this code.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#not_found")]
    pub kind: String,
    /// The same for each `code`.
    #[schema(example = "There is no such thing")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// Stable; programs decide by it.
    #[schema(example = "not_found")]
    pub code: String,
    /// What to change.
    #[schema(
        example = "Check the address, and the id in it: it is a lower-case UUID of something that your token may see."
    )]
    pub detail: String,
    /// The fields that do not fit, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The thing as it is now, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, serde_json::Value>>)]
    pub present: Option<serde_json::Value>,
    /// The answer's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// An error on its way out; boxed, since every handler's result carries room for one.
#[derive(Debug)]
pub struct ApiError(Box<Outgoing>);

#[derive(Debug)]
struct Outgoing {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    present: Option<serde_json::Value>,
}

/// What handlers answer with.
pub type ApiResult<T> = Result<T, ApiError>;

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self(Box::new(Outgoing {
            code,
            detail: None,
            errors: Vec::new(),
            headers: Vec::new(),
            present: None,
        }))
    }
}

impl ApiError {
    /// An error with more to say than its code's advice.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut error = Self::from(code);
        error.0.detail = Some(detail.into());
        error
    }

    /// What is said beyond the code's advice.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// One field that does not fit.
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: pointer.into(), code: code.to_owned() };
        let mut problem = Self::new(FIELD_INVALID, detail);
        problem.push(error);
        problem
    }

    /// One query parameter that does not fit.
    #[must_use]
    pub fn query(name: &str, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: format!("?{name}"), code: "invalid".to_owned() };
        let mut problem = Self::new(QUERY_INVALID, detail);
        problem.push(error);
        problem
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// Adds a field that does not fit.
    pub fn push(&mut self, error: FieldError) {
        self.0.errors.push(error);
    }

    /// Fields that do not fit.
    #[must_use]
    pub fn fields(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(FIELD_INVALID, detail);
        problem.0.errors = errors;
        problem
    }

    /// Shows the thing as it is now.
    #[must_use]
    pub fn present(mut self, thing: &impl Serialize) -> Self {
        self.0.present = serde_json::to_value(thing).ok();
        self
    }

    /// Which code it carries.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        FlowError::from(error).into()
    }
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::NotFound => NOT_FOUND.into(),
            FlowError::Gone => GONE.into(),
            FlowError::IdReused => ID_REUSED.into(),
            FlowError::SameParty => SAME_PARTY.into(),
            FlowError::InvitationInvalid => INVITATION_INVALID.into(),
            FlowError::InvitationUsed => INVITATION_USED.into(),
            FlowError::KeyReused => KEY_REUSED.into(),
            FlowError::PartyMet => PARTY_MET.into(),
            FlowError::NoHub => INSUFFICIENT_SCOPE.into(),
            FlowError::TooManyGrants => TOO_MANY_GRANTS.into(),
            FlowError::DeviceRevoked => DEVICE_REVOKED.into(),
            FlowError::TokenInvalid => TOKEN_INVALID.into(),
            FlowError::CursorInvalid => CURSOR_INVALID.into(),
            FlowError::Field { pointer, code, detail } => Self::field(pointer, code, detail),
            FlowError::RateLimited { retry_after_s } => {
                ApiError::from(RATE_LIMITED).header(RETRY_AFTER, &retry_after_s.to_string())
            }
            FlowError::Busy => BUSY.into(),
            FlowError::Internal(source) => {
                tracing::error!(error = %chain(&*source), "request failed");
                INTERNAL.into()
            }
        }
    }
}

/// An error with its sources, for the log: the caller never sees it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Outgoing { code, detail, errors, headers: more, present } = *self.0;
        let status = StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem {
            kind: format!("/docs/errors#{}", code.code),
            title: code.title.to_owned(),
            status: status.as_u16(),
            code: code.code.to_owned(),
            detail: detail.unwrap_or_else(|| code.advice.to_owned()),
            errors,
            present,
            request_id: crate::app::current_request().map(|id| id.to_string()),
        };
        let mut response = (status, Json(problem)).into_response();
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = format!("DPoP error=\"{}\", algs=\"ES256\", Bearer", code.code);
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                headers.insert(WWW_AUTHENTICATE, value);
            }
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        headers.extend(more);
        response
    }
}
