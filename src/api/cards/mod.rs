//! Cards: what needs a person, each with everything that the decision needs.

mod caps;
mod desk;
mod needs;
mod parts;
mod suggested;
mod views;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, LEASED};
use super::extract::{Coordinator, scope};
use super::params::{Asked, Here, Id, IdParam, Params, count};
use super::types::{Instant, Page};
use crate::app::App;
use crate::domain::ids::{ActivityId, PartyId};
use crate::flows::cards::{self, Hold};
pub use suggested::{DecisionDraft, SuggestionView};
pub use views::{CardActivity, CardPage, CardPerson, CardView, LeaseView};

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CardFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only cards that nobody else is at.
    #[serde(default)]
    pub free: bool,
    /// Only cards with this `like`.
    pub like: Option<String>,
}

/// What to do with a card.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseRequest {
    /// Take it although somebody else is at it: they are away.
    pub take_over: bool,
    /// Give it back.
    pub release: bool,
}

/// Who is at a card.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CardLease {
    /// `id` of the card.
    pub card_id: ActivityId,
    /// Absent once it is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_cards).merge(super::openapi::guarded!(lease_card))
}

/// List cards, the most pressing first: by minutes at stake, and half an hour for each day of waiting.
///
/// One card an occasion, or a set of records that one doubt connects; an activity stands in one card at most. What
/// the rules will go on with by themselves is in none. `suggested` is what the figures suggest, ready to be sent to
/// `POST /v1/decisions`; a person decides. The 2,000 activities that wait longest are looked at: `looked_at` and `waiting`
/// say whether there are more, which come in as these are decided.
#[utoipa::path(
    get, path = "/v1/cards", tag = "reconcile", params(CardFilter),
    responses((status = 200, description = "A page of cards.", body = CardPage))
)]
pub async fn list_cards(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Here(here): Here,
    Params(params): Params<CardFilter>,
) -> ApiResult<(HeaderMap, axum::Json<CardPage>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let asked: Asked<desk::Place> = Asked::of(&app, Some(access), "cards", after, params.limit).await?;
    let desk = desk::Desk::load(&app, access).await?;
    let me = access.party;
    let cards = desk.cards().into_iter().filter(|card| {
        let of_others = desk.lease(card.id).is_some_and(|lease| PartyId(lease.party_id) != me);
        asked.after.is_none_or(|after| desk::place(card) > after)
            && !(params.free && of_others)
            && params.like.as_ref().is_none_or(|like| *like == card.likeness())
    });
    let wanted = usize::try_from(asked.rows()).unwrap_or(usize::MAX);
    let cards = cards.take(wanted).collect();
    let (headers, page) = asked.page(&app, &here, cards, desk::place, |card| desk.view(&card))?;
    let Page { items, next, events_after } = page.whole("a card cannot be shown")?;
    let desk::Waiting { all: waiting, looked_at } = desk.waiting();
    Ok((headers, axum::Json(CardPage { items, next, events_after, waiting, looked_at })))
}

/// Take a card for ten minutes, so that no other coordinator works on it; take it again to go on.
///
/// A lease binds nobody: decisions say what they saw. A card whose holder is away can be taken over.
#[utoipa::path(
    post, path = "/v1/cards/{id}/lease", tag = "reconcile", params(IdParam), request_body = LeaseRequest,
    responses((status = 200, description = "Yours, or given back.", body = CardLease))
)]
pub async fn lease_card(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Id(id): Id,
    Json(body): Json<LeaseRequest>,
) -> ApiResult<axum::Json<CardLease>> {
    let hold = match (body.release, body.take_over) {
        (true, true) => {
            return Err(ApiError::field("/release", "not_here", "Either take it over, or give it back."));
        }
        (true, false) => Hold::GiveBack,
        (false, true) => Hold::TakeOver,
        (false, false) => Hold::Take,
    };
    let card_id = ActivityId(id);
    let lease = cards::lease(&app, &caller.access, card_id, hold).await?;
    let lease = lease.map(|row| LeaseView { held_by: PartyId(row.party_id), until: Instant(row.until_ms) });
    match &lease {
        Some(other) if hold == Hold::Take && other.held_by != caller.access.party => {
            let detail = "Somebody is at this card: take another one, or take it over if they are away.";
            Err(ApiError::new(LEASED, detail))
        }
        _ => Ok(axum::Json(CardLease { card_id, lease })),
    }
}
