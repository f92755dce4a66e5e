//! Closing a period: fixes the number of the journal at which its figures stand. Late work still posts, with its
//! own day; what it changes is a restatement.

use chrono::NaiveDate;

use super::FlowError;
use super::judge::Sitting;
use crate::app::{Access, App};
use crate::domain::ids::PeriodId;
use crate::domain::time::civil_day;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::closed_period;

/// A period to close: days, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub id: PeriodId,
    pub day_from: NaiveDate,
    pub day_until: NaiveDate,
}

/// What became of it.
#[derive(Debug)]
pub enum Closed {
    Now(closed_period::Model),
    /// It was closed before.
    Replayed(closed_period::Model),
    /// This one holds some of the days.
    Overlaps(closed_period::Model),
    NotCoordinator,
}

/// Closes a period, numbered in the journal as `period`. No two of them share a day.
///
/// # Errors
/// [`FlowError::Field`] for days in the wrong order or ahead of today in the neighbourhood's time zone;
/// [`FlowError::IdReused`]; and of the database.
pub async fn close(app: &App, caller: &Access, period: Period) -> Result<Closed, FlowError> {
    if period.day_until < period.day_from {
        return Err(out_of_bounds("At /day_until: it is before day_from."));
    }
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    let roles = store::parties::roles(&txn, caller.neighbourhood, caller.party).await?;
    if !roles.iter().any(|role| role == store::parties::COORDINATOR) {
        return Ok(Closed::NotCoordinator);
    }
    let (day_from, day_until) = (period.day_from.to_string(), period.day_until.to_string());
    if let Some(there) = store::periods::find(&txn, caller.neighbourhood, period.id).await? {
        let same = (&there.day_from, &there.day_until) == (&day_from, &day_until);
        return if same { Ok(Closed::Replayed(there)) } else { Err(FlowError::IdReused) };
    }
    if civil_day(sitting.now_ms(), sitting.zone).is_none_or(|today| period.day_until > today) {
        return Err(out_of_bounds("At /day_until: it is ahead of today."));
    }
    let overlap = store::periods::overlapping(&txn, caller.neighbourhood, &day_from, &day_until).await?;
    if let Some(there) = overlap {
        return Ok(Closed::Overlaps(there));
    }
    let body = serde_json::json!({ "day_from": day_from, "day_until": day_until, "closed_by": caller.party });
    let row = closed_period::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: period.id.0,
        day_from,
        day_until,
        journal_no: sitting.number("period", period.id.0, None, &body)?,
        closed_by: caller.party.0,
        closed_at_ms: sitting.posted_at_ms,
    };
    store::periods::insert(&txn, row.clone()).await?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    Ok(Closed::Now(row))
}

fn out_of_bounds(detail: &str) -> FlowError {
    let (pointer, code) = ("/day_until".to_owned(), "out_of_bounds");
    FlowError::Field { pointer, code, detail: detail.to_owned() }
}
