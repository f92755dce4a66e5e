//! The whole job of a phone that has found signal: push in parts, pull, learn the verdicts, recover.

use std::time::Duration;

use automerge::ChangeHash;
use axum::http::Method;

use super::{Book, PUSH_BYTES_MAX, PUSH_CHANGES_MAX, Phone, PhoneError, Transport};
use crate::api::body::Form;
use crate::api::sync::{
    DaybookAnswer, DaybookPush, DaybookState, Outcome, OutcomeKind, SyncAnswer, SyncRequest,
};
use crate::api::types::{Bytes, Instant};
use crate::domain::ids::DaybookId;

/// Requests of one sync: far more than any honest backlog needs.
const ROUNDS_MAX: usize = 10_000;
/// Reloads of one sync. Each either ends well or finds a field that no server takes, and sets it aside; the
/// next sync goes on from there.
const RELOADS_MAX: usize = 256;

/// Waits before the same is sent again where nothing came of it; after the last of them the next sync goes on.
const PAUSES_MS: [u64; 5] = [50, 100, 200, 400, 800];

/// What an answer leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Next {
    Done,
    /// The same again, after a while: nothing came of it.
    Stalled,
    Again,
}

impl Next {
    pub(super) fn again_if(again: bool) -> Self {
        if again { Self::Again } else { Self::Done }
    }
}

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub requests: usize,
    pub bytes_up: usize,
    pub bytes_down: usize,
    pub accepted: usize,
    pub duplicate: usize,
    pub held: usize,
    pub refused: usize,
    pub reloads: usize,
    /// Fields that no server takes, left out from now on.
    pub aside: usize,
    pub restarts: usize,
    /// Downloads that took the place of changes.
    pub snapshots: usize,
    /// Daybooks that are erased.
    pub gone: Vec<DaybookId>,
    /// Daybooks in which this person may not write: see [`Phone::barred`].
    pub barred: Vec<DaybookId>,
    /// Daybooks of which the server would take nothing for now: the next sync sends the same again.
    pub stalled: Vec<DaybookId>,
    pub verdicts_pending: bool,
}

impl<T: Transport> Phone<T> {
    /// Syncs every daybook until neither side has anything that the other lacks. One in which this person may not
    /// write any more keeps what is unsent, and holds up no other.
    ///
    /// # Errors
    /// [`PhoneError`]; what was acknowledged stays so, and the next sync goes on from there.
    pub async fn sync(&mut self) -> Result<Report, PhoneError> {
        let mut report = Report::default();
        let mut pauses = PAUSES_MS.into_iter();
        for _ in 0..ROUNDS_MAX {
            let answer = self.round(&mut report).await?;
            match self.take(answer, &mut report).await? {
                Next::Done => return self.ended(report),
                Next::Again => pauses = PAUSES_MS.into_iter(),
                Next::Stalled => match pauses.next() {
                    Some(ms) => self.session.transport.pause(Duration::from_millis(ms)).await,
                    None => return self.ended(report),
                },
            }
        }
        Err(PhoneError::Endless)
    }

    /// One request, exactly as it would be sent now.
    pub fn sync_request(&mut self) -> SyncRequest {
        let mut room = PUSH_BYTES_MAX;
        let daybooks = self.books.values_mut().map(|book| push(book, &mut room)).collect();
        SyncRequest {
            device_time: Instant((self.clock)()),
            verdicts_after: self.verdicts_after.clone(),
            limit_bytes: None,
            parties: self.met.clone(),
            daybooks,
        }
    }

    async fn round(&mut self, report: &mut Report) -> Result<SyncAnswer, PhoneError> {
        let request = self.sync_request();
        let unreadable = |error: String| PhoneError::Answer(error);
        let (kind, body) = match self.form {
            Form::Json => {
                ("application/json", serde_json::to_vec(&request).map_err(|e| unreadable(e.to_string()))?)
            }
            Form::Cbor => (
                "application/cbor",
                cbor4ii::serde::to_vec(Vec::new(), &request).map_err(|e| unreadable(e.to_string()))?,
            ),
        };
        report.requests += 1;
        report.bytes_up += body.len();
        let response = self.request(Method::POST, "/v1/sync", kind, body).await?;
        report.bytes_down += response.body().len();
        match self.form {
            Form::Json => serde_json::from_slice(response.body()).map_err(|e| unreadable(e.to_string())),
            Form::Cbor => cbor4ii::serde::from_slice(response.body()).map_err(|e| unreadable(e.to_string())),
        }
    }

    /// Takes an answer; says whether another request is needed.
    async fn take(&mut self, answer: SyncAnswer, report: &mut Report) -> Result<Next, PhoneError> {
        self.met.clear();
        for verdict in answer.verdicts {
            self.verdicts.insert(verdict.activity_id, verdict);
        }
        self.verdicts_after = Some(answer.verdicts_next);
        report.verdicts_pending = answer.verdicts_pending;
        report.stalled.clear();
        let mut next = Next::again_if(answer.verdicts_more);
        // What is not found comes last: whatever asking for it ends with, the other daybooks' answers are taken.
        let (lost, there): (Vec<_>, Vec<_>) =
            answer.daybooks.into_iter().partition(|daybook| daybook.state == DaybookState::NotFound);
        for daybook in there.into_iter().chain(lost) {
            let id = daybook.id;
            let of_daybook = self.take_daybook(daybook, answer.server_time.0, report).await?;
            if of_daybook == Next::Stalled {
                report.stalled.push(id);
            }
            next = next.max(of_daybook);
        }
        self.learn_owners().await?;
        Ok(next)
    }

    async fn take_daybook(
        &mut self,
        answer: DaybookAnswer,
        server_ms: i64,
        report: &mut Report,
    ) -> Result<Next, PhoneError> {
        let id = answer.id;
        if report.barred.contains(&id) && answer.holds_until.is_none() {
            // One replica of the server may know of it some seconds before another: the next sync looks again.
            return Ok(Next::Done);
        }
        match answer.state {
            DaybookState::NotFound if answer.holds_until.is_some() => {
                return Ok(self.left(&answer, server_ms, report));
            }
            DaybookState::NotFound => return Ok(Next::again_if(self.ask_for(id, report).await?)),
            DaybookState::Gone => {
                self.books.remove(&id);
                report.gone.push(id);
                return Ok(Next::Done);
            }
            DaybookState::Busy => return Ok(Next::Stalled),
            DaybookState::Restart => report.restarts += 1,
            DaybookState::Ok | DaybookState::Reload => {}
        }
        let book = self.book(id);
        (book.barred, book.holds) = (None, false);
        let behind = answer.snapshot.is_some();
        let mut next = self.merge(answer, server_ms, report);
        if behind {
            next = Next::again_if(self.catch_up(id, report).await?);
        }
        let book = self.book(id);
        // Until nothing else is unsent; then the one recovery, also where an earlier sync was cut before it.
        let stuck = book.forked || !book.refused.is_empty();
        if next != Next::Done || !stuck {
            return Ok(next);
        }
        if report.reloads == RELOADS_MAX {
            return Err(PhoneError::Endless);
        }
        report.reloads += 1;
        self.reload(id, report).await?;
        Ok(Next::Again)
    }

    /// Puts an answer into the daybook; says whether the two sides still differ.
    fn merge(&mut self, answer: DaybookAnswer, server_ms: i64, report: &mut Report) -> Next {
        let restarted = answer.state == DaybookState::Restart;
        let book = self.book(answer.id);
        if restarted {
            book.forget_heads();
        }
        // What may have expired is sent again.
        book.held.retain(|_, expires_at_ms| *expires_at_ms > server_ms);
        let Noted { deferred, settled } = note(book, &answer.outcomes, report);
        let settled = settled || !answer.changes.is_empty();
        book.expiring = answer.expiring.map(|notice| (notice.changes, notice.first_at.0));
        let changes: Vec<Vec<u8>> = answer.changes.into_iter().map(|bytes| bytes.0).collect();
        book.forked |= book.apply(&changes).is_err();
        if book.forked {
            book.more = false;
            let left = deferred || !book.unsent().is_empty();
            return if deferred && !settled { Next::Stalled } else { Next::again_if(left) };
        }
        book.cursor = answer.cursor;
        book.more = answer.more;
        if let Some(heads) = answer.heads {
            book.take_heads(heads.into_iter().map(|hash| ChangeHash(hash.0)).collect());
        }
        if deferred && !settled && !book.more {
            return Next::Stalled;
        }
        if book.more || deferred {
            return Next::Again;
        }
        if book.lacks() {
            book.cursor = None;
            return Next::Again;
        }
        Next::again_if(!book.unsent().is_empty())
    }
}

/// What the outcomes of an answer come to.
pub(super) struct Noted {
    /// Some are to be sent again.
    pub deferred: bool,
    /// Some are not.
    pub settled: bool,
}

/// Notes what became of each change that was pushed.
pub(super) fn note(book: &mut Book, outcomes: &[Outcome], report: &mut Report) -> Noted {
    let mut noted = Noted { deferred: false, settled: false };
    for outcome in outcomes {
        noted.settled |= outcome.outcome != OutcomeKind::Deferred;
        let hash = outcome.hash.0;
        match outcome.outcome {
            OutcomeKind::Accepted | OutcomeKind::Duplicate => {
                let accepted = outcome.outcome == OutcomeKind::Accepted;
                *if accepted { &mut report.accepted } else { &mut report.duplicate } += 1;
                book.there.insert(hash);
            }
            OutcomeKind::Held => {
                let expires_at_ms = outcome.expires_at.map_or(i64::MAX, |at| at.0);
                book.held.insert(hash, expires_at_ms);
                report.held += 1;
            }
            OutcomeKind::Deferred => noted.deferred = true,
            OutcomeKind::Refused => {
                book.refused.insert(hash, outcome.code.clone().unwrap_or_default());
                report.refused += 1;
            }
        }
    }
    noted
}

/// The part of a daybook that goes into one request.
fn push(book: &mut Book, room: &mut usize) -> DaybookPush {
    let mut changes = Vec::new();
    if !book.more && (book.barred.is_none() || book.holds) {
        for (_, bytes) in book.unsent().into_iter().take(PUSH_CHANGES_MAX) {
            if bytes.len() > *room && !changes.is_empty() {
                break;
            }
            *room = room.saturating_sub(bytes.len());
            changes.push(Bytes(bytes));
        }
    }
    DaybookPush { id: book.id, cursor: book.cursor.clone(), changes }
}
