//! Path and query parameters, and the cursors of lists; anything wrong answers with a problem.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use super::error::{ApiError, ApiResult, CURSOR_INVALID, FieldError, NOT_FOUND, QUERY_INVALID};
use super::events::events_after;
use super::plain;
use super::types::Page;
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::auth::signed;
use crate::domain::ids::parse_id;
use crate::domain::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};

/// The id in a path; what is not a lower-case UUID names nothing.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub Uuid);

/// Documents [`Id`].
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdParam {
    /// Lower-case UUID.
    #[param(example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77")]
    pub id: Uuid,
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Ok(Path(text)) = found else { return Err(NOT_FOUND.into()) };
        parse_id(&text).map(Self).ok_or_else(|| NOT_FOUND.into())
    }
}

/// Two ids in a path.
#[derive(Debug, Clone, Copy)]
pub struct Ids(pub Uuid, pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let IdOf(first, second) = IdOf::from_request_parts(parts, state).await?;
        let second = parse_id(&second).ok_or(NOT_FOUND)?;
        Ok(Self(first, second))
    }
}

/// An id in a path, and a word after it.
#[derive(Debug, Clone)]
pub struct IdOf(pub Uuid, pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Path<(String, String)>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let Ok(Path((id, word))) = found else { return Err(NOT_FOUND.into()) };
        let id = parse_id(&id).ok_or(NOT_FOUND)?;
        Ok(Self(id, word))
    }
}

/// The query of a request.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match found {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(misfit(&rejection)),
        }
    }
}

/// The parameter that does not fit, and what it takes.
fn misfit(rejection: &QueryRejection) -> ApiError {
    let (path, text) = told(rejection).unwrap_or_else(|| (String::new(), rejection.body_text()));
    let code = match text.split_once(" field `") {
        Some(("unknown", _)) => "unknown_field",
        Some(("missing", _)) => "missing_field",
        Some(("duplicate", _)) => "twice",
        _ => "invalid",
    };
    // What is missing or there twice stands in the text alone.
    let quoted = text.split('`').nth(1).unwrap_or_default();
    let name: &str = if code == "invalid" { &path } else { quoted };
    let text = plain::words(&text).replacen(" field `", " parameter `", 1);
    let mut problem = ApiError::new(QUERY_INVALID, format!("At ?{name}: {text}."));
    problem.push(FieldError { pointer: format!("?{name}"), code: code.to_owned() });
    problem
}

/// Where reading the query stopped, and why.
fn told(rejection: &QueryRejection) -> Option<(String, String)> {
    let mut source = std::error::Error::source(rejection);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            return Some((error.path().to_string(), error.inner().to_string()));
        }
        source = error.source();
    }
    None
}

/// The path of the request with its query, but for the page: what a link to the next page begins with.
#[derive(Debug, Clone)]
pub struct Here(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Here {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default().split('&');
        let kept = query.filter(|pair| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            !name.is_empty() && name != "after" && name != "limit"
        });
        let kept: Vec<&str> = kept.collect();
        let path = parts.uri.path();
        Ok(Self(if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }))
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A count in a query; what is more than a number holds counts as the greatest.
///
/// # Errors
/// What is no number.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || serde::de::Error::custom("expected a whole number of 0 or more");
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX))).ok_or_else(wrong)
}

/// A journal number in a query, as text so that any that does not fit answers in the same way: up to it,
/// things are as they were then.
///
/// # Errors
/// 422 that names the parameter, for what is no number or lies beyond `latest`.
pub fn journal_no(name: &str, text: Option<&str>, latest: i64) -> ApiResult<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let pointer = format!("?{name}");
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(ApiError::field(pointer, "invalid", format!("{name} is a number of the journal.")));
    }
    let number = text.parse().ok().filter(|number| *number <= latest);
    let beyond = || {
        let detail = format!("At {name}: the journal's last number is {latest}.");
        ApiError::field(pointer, "out_of_bounds", detail)
    };
    number.map(Some).ok_or_else(beyond)
}

/// A day in a query.
///
/// # Errors
/// 400 that names the parameter.
pub fn day(name: &str, text: Option<&str>) -> ApiResult<()> {
    if text.is_some_and(|day| crate::domain::time::parse_day(day).is_none()) {
        return Err(ApiError::query(name, format!("{name} is a day as 2026-11-21.")));
    }
    Ok(())
}

/// Items of a page, within bounds.
pub fn limit(asked: Option<u64>) -> u64 {
    asked.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX)
}

/// The place in a list where a page starts, out of its cursor.
pub fn opened<T: DeserializeOwned>(app: &App, list: &str, after: Option<&str>) -> ApiResult<Option<T>> {
    let Some(text) = after else { return Ok(None) };
    let payload = signed::open(&app.keys(), list, text, app.now_ms()).map_err(|_| CURSOR_INVALID)?;
    postcard::from_bytes(&payload).map(Some).map_err(|_| CURSOR_INVALID.into())
}

/// The cursor of a place in a list.
pub fn sealed<T: Serialize>(app: &App, list: &str, place: &T) -> ApiResult<String> {
    let payload = postcard::to_allocvec(place).map_err(crate::flows::FlowError::internal)?;
    let text = signed::seal(&app.keys(), list, &payload, app.now_ms());
    text.map_err(|error| crate::flows::FlowError::internal(error).into())
}

/// A page of a list, as it is asked for: made before anything of the list is read.
#[derive(Debug)]
pub struct Asked<P> {
    list: String,
    /// The place where it starts; none on the first page.
    pub after: Option<P>,
    /// How many items it holds at most.
    pub most: u64,
    events_after: Option<String>,
}

impl<P: Serialize + DeserializeOwned> Asked<P> {
    /// Of a list: after this cursor, so many items. The first page says from where its objects are followed, where the
    /// caller may read events; the operator may not.
    ///
    /// # Errors
    /// 400 for what is no cursor of this list.
    pub async fn of(
        app: &App,
        access: Option<&Access>,
        list: impl Into<String>,
        after: Option<&str>,
        most: Option<u64>,
    ) -> ApiResult<Self> {
        let list = list.into();
        let after: Option<P> = opened(app, &list, after)?;
        let follower = access.filter(|access| after.is_none() && access.scopes.has(Scope::ActivitiesRead));
        let events_after = match follower {
            Some(access) => Some(events_after(app, access).await?),
            None => None,
        };
        Ok(Self { list, after, most: limit(most), events_after })
    }

    /// How many rows are to be read: one more than it holds says that there is a next page.
    pub fn rows(&self) -> u64 {
        self.most.saturating_add(1)
    }

    /// The page with its `Link: rel="next"`, out of [`Asked::rows`]. `path` holds the query that the next page takes as
    /// well, if there is any.
    pub fn page<T, V>(
        self,
        app: &App,
        path: &str,
        mut rows: Vec<T>,
        place: impl Fn(&T) -> P,
        view: impl FnMut(T) -> V,
    ) -> ApiResult<(HeaderMap, Page<V>)> {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        let next = match rows.last().filter(|_| more) {
            Some(last) => Some(sealed(app, &self.list, &place(last))?),
            None => None,
        };
        let mut headers = HeaderMap::new();
        if let Some(next) = &next {
            link_next(&mut headers, path, next, self.most);
        }
        let items = rows.into_iter().map(view).collect();
        Ok((headers, Page { items, next, events_after: self.events_after }))
    }
}

/// `Link: rel="next"`, to the page of a list that starts there.
pub fn link_next(headers: &mut HeaderMap, path: &str, next: &str, limit: u64) {
    let query = if path.contains('?') { '&' } else { '?' };
    let link = format!("<{path}{query}after={next}&limit={limit}>; rel=\"next\"");
    if let Ok(value) = link.parse() {
        headers.insert(axum::http::header::LINK, value);
    }
}
