//! The whole job of a phone that has found signal: push in parts, pull, learn the verdicts, recover.

use axum::http::Method;

use automerge::ChangeHash;

use super::{Book, PUSH_BYTES_MAX, PUSH_CHANGES_MAX, Phone, PhoneError, Transport};
use crate::api::body::Form;
use crate::api::daybooks::{DaybookRequest, DaybookView};
use crate::api::sync::{DaybookAnswer, DaybookPush, DaybookState, OutcomeKind, SyncAnswer, SyncRequest};
use crate::api::types::{Bytes, Instant};
use crate::domain::ids::DaybookId;

/// Requests of one sync: far more than any honest backlog needs.
const ROUNDS_MAX: usize = 10_000;
/// Reloads of one sync: more would mean that what the phone writes anew is refused again.
const RELOADS_MAX: usize = 8;

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
    pub restarts: usize,
    /// Downloads that took the place of changes.
    pub snapshots: usize,
    /// Daybooks that are erased.
    pub gone: Vec<DaybookId>,
    pub verdicts_pending: bool,
}

impl<T: Transport> Phone<T> {
    /// Syncs every daybook until neither side has anything that the other lacks.
    ///
    /// # Errors
    /// [`PhoneError`]; what was acknowledged stays so, and the next sync goes on from there.
    pub async fn sync(&mut self) -> Result<Report, PhoneError> {
        let mut report = Report::default();
        for _ in 0..ROUNDS_MAX {
            let answer = self.round(&mut report).await?;
            if !self.take(answer, &mut report).await? {
                return Ok(report);
            }
        }
        Err(PhoneError::Endless)
    }

    /// One request, exactly as it would be sent now.
    pub fn sync_request(&mut self) -> SyncRequest {
        let mut room = PUSH_BYTES_MAX;
        let daybooks = self.books.values_mut().map(|book| push(book, &mut room)).collect();
        SyncRequest {
            device_time: Instant(self.now_ms),
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
    async fn take(&mut self, answer: SyncAnswer, report: &mut Report) -> Result<bool, PhoneError> {
        self.met.clear();
        for verdict in answer.verdicts {
            self.verdicts.insert(verdict.activity_id, verdict);
        }
        self.verdicts_after = Some(answer.verdicts_next);
        report.verdicts_pending = answer.verdicts_pending;
        let mut again = answer.verdicts_more;
        for daybook in answer.daybooks {
            again |= self.take_daybook(daybook, report).await?;
        }
        Ok(again)
    }

    async fn take_daybook(&mut self, answer: DaybookAnswer, report: &mut Report) -> Result<bool, PhoneError> {
        let id = answer.id;
        match answer.state {
            DaybookState::NotFound => {
                let _: DaybookView =
                    self.post("/v1/daybooks", &DaybookRequest { id, party_id: None }).await?;
                let book = self.book(id);
                book.cursor = None;
                book.server_heads.clear();
                book.held.clear();
                return Ok(true);
            }
            DaybookState::Gone => {
                self.books.remove(&id);
                report.gone.push(id);
                return Ok(false);
            }
            DaybookState::Busy => return Ok(true),
            DaybookState::Restart => report.restarts += 1,
            DaybookState::Ok | DaybookState::Reload => {}
        }
        let behind = answer.snapshot.is_some();
        let mut again = self.merge(answer, report);
        if behind {
            again = self.catch_up(id, report).await?;
        }
        let book = self.book(id);
        // Until nothing else is unsent; then the one recovery, also where an earlier sync was cut before it.
        let stuck = book.forked || !book.refused.is_empty();
        if again || !stuck {
            return Ok(again);
        }
        if report.reloads == RELOADS_MAX {
            return Err(PhoneError::Endless);
        }
        report.reloads += 1;
        self.reload(id, report).await?;
        Ok(true)
    }

    /// Puts an answer into the daybook; says whether the two sides still differ.
    fn merge(&mut self, answer: DaybookAnswer, report: &mut Report) -> bool {
        let restarted = answer.state == DaybookState::Restart;
        let book = self.book(answer.id);
        if restarted {
            book.server_heads.clear();
            book.held.clear();
        }
        let mut deferred = false;
        for outcome in &answer.outcomes {
            let hash = outcome.hash.0;
            match outcome.outcome {
                OutcomeKind::Accepted => report.accepted += 1,
                OutcomeKind::Duplicate => report.duplicate += 1,
                OutcomeKind::Held => {
                    book.held.insert(hash);
                    report.held += 1;
                }
                OutcomeKind::Deferred => deferred = true,
                OutcomeKind::Refused => {
                    book.refused.insert(hash, outcome.code.clone().unwrap_or_default());
                    report.refused += 1;
                }
            }
        }
        let changes: Vec<Vec<u8>> = answer.changes.into_iter().map(|bytes| bytes.0).collect();
        book.forked |= book.apply(&changes).is_err();
        if book.forked {
            book.more = false;
            return deferred || !book.unsent().is_empty();
        }
        book.cursor = answer.cursor;
        book.more = answer.more;
        if let Some(heads) = answer.heads {
            book.take_heads(heads.into_iter().map(|hash| ChangeHash(hash.0)).collect());
        }
        if book.more || deferred {
            return true;
        }
        if book.lacks() {
            book.cursor = None;
            return true;
        }
        !book.unsent().is_empty()
    }
}

/// The part of a daybook that goes into one request.
fn push(book: &mut Book, room: &mut usize) -> DaybookPush {
    let mut changes = Vec::new();
    if !book.more {
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
