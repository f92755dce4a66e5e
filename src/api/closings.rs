//! Closing accounts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ACCOUNT_HOLDS, ApiError, ApiResult, INSUFFICIENT_SCOPE, IS_ALIAS, OWN_CREDIT};
use super::extract::{Coordinator, scope};
use super::params::{Id, IdParam};
use super::types::{Instant, check_reason};
use crate::app::App;
use crate::domain::ids::{AccountId, ClosingId, PartyId};
use crate::flows::closings::{Closed, Refusal, close};
use crate::store::entity::account_closing;

/// A closing of an account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosingRequest {
    /// Made by the client.
    pub id: ClosingId,
    /// In plain words: the resident reads it in the statement.
    #[schema(
        example = "You moved away: your minutes stay with the neighbourhood.",
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"
    )]
    pub reason: String,
}

/// An account that was closed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClosingView {
    pub id: ClosingId,
    /// The account.
    pub account_id: AccountId,
    /// In plain words: the resident reads it in the statement.
    pub reason: String,
    /// Minutes recognised that went to the neighbourhood's account; below zero it made up for them.
    pub contribution_minutes: i64,
    /// Minutes that may be spent that went to the neighbourhood's account; below zero it made up for them.
    pub credit_minutes: i64,
    /// Who closed it.
    pub closed_by: PartyId,
    /// Its number in the journal.
    pub journal_no: i64,
    pub closed_at: Instant,
}

impl From<account_closing::Model> for ClosingView {
    fn from(row: account_closing::Model) -> Self {
        Self {
            id: ClosingId(row.id),
            account_id: AccountId(row.account_id),
            reason: row.reason,
            contribution_minutes: row.contribution,
            credit_minutes: row.credit,
            closed_by: PartyId(row.closed_by),
            journal_no: row.journal_no,
            closed_at: Instant(row.closed_at_ms),
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(close_account)
}

/// Close an account: what it holds goes to the neighbourhood's holding account, with a reason.
///
/// It is never deleted. A later correction still posts to it, and closing it again, under a new id, moves what came
/// since. Totals do not move by it: what was given stays given. Where nothing is left, it closes without a transfer.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/closing", tag = "ledger", params(IdParam), request_body = ClosingRequest,
    responses(
        (status = 201, description = "Closed.", body = ClosingView),
        (status = 200, description = "Closed before, by the same request.", body = ClosingView),
    )
)]
pub async fn close_account(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Id(id): Id,
    Json(body): Json<ClosingRequest>,
) -> ApiResult<impl IntoResponse> {
    check_reason("/reason", &body.reason)?;
    let closing = (body.id, body.reason);
    let (status, row) = match close(&app, &caller.access, AccountId(id), closing).await? {
        Closed::Now(row) => (StatusCode::CREATED, row),
        Closed::Replayed(row) => (StatusCode::OK, row),
        Closed::Refused(refusal) => return Err(refused(refusal)),
        Closed::NotCoordinator => return Err(INSUFFICIENT_SCOPE.into()),
    };
    Ok((status, axum::Json(ClosingView::from(row))))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Holding => ACCOUNT_HOLDS.into(),
        Refusal::Alias(party) => {
            ApiError::new(IS_ALIAS, format!("The account is part of that of {party}: use that id."))
        }
        Refusal::OwnCredit => OWN_CREDIT.into(),
    }
}
