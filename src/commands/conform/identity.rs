//! Who the token is, and what happens without one.

use axum::http::Method;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::client::Client;
use super::report::{Found, Report, Wrong, that};
use crate::api::me::Me;
use crate::auth::scopes::Scope;
use crate::domain::ids::DaybookId;

const NEEDED: [Scope; 3] = [Scope::Sync, Scope::ActivitiesRead, Scope::ActivitiesWrite];

/// Whose daybook it is that is written in.
#[derive(Debug)]
pub struct Own {
    pub daybook: DaybookId,
}

/// Nothing where the token does not do for the other checks.
pub async fn run(report: &mut Report, client: &Client) -> Option<Own> {
    report.line("GET /v1/me without a token: 401 token_missing", stranger(client, None).await);
    let made_up = stranger(client, Some("Bearer dbp_made-up")).await;
    report.line("GET /v1/me with a token that nobody made: 401 token_invalid", made_up);
    report.line("POST /v1/sync without a token: 401, before the body is read", unread(client).await);
    report.line("GET /v1/me: who the token is, its scopes, its own daybook", me(client).await)
}

async fn stranger(client: &Client, token: Option<&str>) -> Found<()> {
    let headers: Vec<(&str, &str)> = token.map(|token| (AUTHORIZATION.as_str(), token)).into_iter().collect();
    let answer = client.send(Method::GET, "/v1/me", &headers, Vec::new()).await?;
    answer.problem(401, if token.is_some() { "token_invalid" } else { "token_missing" })?;
    answer.header(WWW_AUTHENTICATE.as_str()).map(drop)
}

async fn unread(client: &Client) -> Found<()> {
    let answer = client.send(Method::POST, "/v1/sync", &[], b"no JSON".to_vec()).await?;
    answer.problem(401, "token_missing").map(drop)
}

async fn me(client: &Client) -> Found<Own> {
    let answer = client.get("/v1/me").await?;
    let me: Me = answer.status(200)?.read()?;
    for scope in NEEDED {
        that(me.scope.has(scope), || {
            Wrong::new(format!("the scope {scope}"), format!("{:?}", answer.text("/scope")))
        })?;
    }
    let own = me.daybooks.iter().find(|daybook| daybook.party_id == me.party_id);
    let own = own.ok_or_else(|| Wrong::new("a daybook of the token's own", answer.shown()))?;
    Ok(Own { daybook: own.id })
}
