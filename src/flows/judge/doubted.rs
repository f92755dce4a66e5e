//! A suspicion as it stands in the books: what the journal says of it, and its row.

use serde::{Deserialize, Serialize};

use super::super::FlowError;
use crate::domain::ids::{DecisionId, NeighbourhoodId, SuspicionId};
use crate::domain::suspicion::{Known, Suspicion};
use crate::store::entity::{suspicion, suspicion_about};

/// What became of a suspicion, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Noted {
    Raised {
        suspicion: Suspicion,
    },
    /// Its evidence is another now.
    Renewed {
        suspicion: Suspicion,
    },
    /// Nothing speaks for it any more.
    Lapsed,
    /// Every record that it is about is decided, the last by this.
    Settled {
        decision: DecisionId,
    },
    /// The decision that settled it was taken back.
    Reopened,
}

/// Whether anybody has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Lapsed,
    Settled,
}

impl State {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Lapsed => "lapsed",
            Self::Settled => "settled",
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubted {
    /// As found last.
    pub suspicion: Suspicion,
    pub state: State,
    /// What was known each time that a person settled it.
    pub settled: Vec<Suspicion>,
    /// The decision that settled it last.
    pub settled_by: Option<DecisionId>,
    pub raised_at_ms: i64,
    pub raised_no: i64,
    pub journal_no: i64,
    /// To be written.
    pub changed: bool,
}

impl Doubted {
    pub fn from_row(row: suspicion::Model) -> Result<Self, FlowError> {
        Ok(Self {
            suspicion: serde_json::from_str(&row.body)?,
            state: match row.state.as_str() {
                "open" => State::Open,
                "lapsed" => State::Lapsed,
                _ => State::Settled,
            },
            settled: serde_json::from_str(&row.settled)?,
            settled_by: row.settled_by.map(DecisionId),
            raised_at_ms: row.raised_at_ms,
            raised_no: row.raised_no,
            journal_no: row.journal_no,
            changed: false,
        })
    }

    /// How it stands after what the journal notes. Nothing, if nothing was there and nothing was raised.
    pub fn after(before: Option<Self>, noted: Noted, no: i64, at_ms: i64) -> Option<Self> {
        let mut after = match (before, noted) {
            (before, Noted::Raised { suspicion }) => Self {
                suspicion,
                state: State::Open,
                settled: before.map(|before| before.settled).unwrap_or_default(),
                settled_by: None,
                raised_at_ms: at_ms,
                raised_no: no,
                journal_no: no,
                changed: true,
            },
            (Some(before), Noted::Renewed { suspicion }) => Self { suspicion, ..before },
            (Some(before), Noted::Lapsed) => Self { state: State::Lapsed, ..before },
            (Some(mut before), Noted::Settled { decision }) => {
                before.settled.push(before.suspicion.clone());
                Self { state: State::Settled, settled_by: Some(decision), ..before }
            }
            (Some(mut before), Noted::Reopened) => {
                before.settled.pop();
                Self { state: State::Open, settled_by: None, ..before }
            }
            (None, _) => return None,
        };
        (after.journal_no, after.changed) = (no, true);
        Some(after)
    }

    /// What the rules have to know of it: what is open, and all that a person has settled before.
    pub fn known(&self) -> impl Iterator<Item = Known> {
        let open = (self.state == State::Open).then(|| self.suspicion.clone());
        let open = open.map(|suspicion| Known { suspicion, settled: false });
        let settled = self.settled.iter().cloned();
        open.into_iter().chain(settled.map(|suspicion| Known { suspicion, settled: true }))
    }

    /// Its row, and those of the records that it is about.
    pub fn rows(
        &self,
        neighbourhood: NeighbourhoodId,
        id: SuspicionId,
    ) -> Result<(suspicion::Model, Vec<suspicion_about::Model>), FlowError> {
        let row = suspicion::Model {
            neighbourhood_id: neighbourhood.0,
            id: id.0,
            kind: self.suspicion.kind().code().to_owned(),
            state: self.state.as_str().to_owned(),
            body: serde_json::to_string(&self.suspicion)?,
            settled: serde_json::to_string(&self.settled)?,
            settled_by: self.settled_by.map(|decision| decision.0),
            raised_at_ms: self.raised_at_ms,
            raised_no: self.raised_no,
            journal_no: self.journal_no,
        };
        let about = self.suspicion.about.iter().map(|activity| suspicion_about::Model {
            neighbourhood_id: neighbourhood.0,
            activity_id: activity.0,
            suspicion_id: id.0,
        });
        Ok((row, about.collect()))
    }
}
