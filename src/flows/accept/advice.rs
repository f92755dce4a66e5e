//! What a client's developer does about what was not taken: refused, or to be sent again.

use crate::merge::RefusalCode;

/// Why a change was not kept, and when to send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// The transaction took as many changes or operations as one may, or asked the document as often.
    TransactionFull,
    /// The request held more than one request decodes.
    RequestFull,
    /// The daybook holds as much as it may.
    HeldFull,
}

impl Deferral {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::TransactionFull, Self::RequestFull, Self::HeldFull];

    /// The code as sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransactionFull => "transaction_full",
            Self::RequestFull => "request_full",
            Self::HeldFull => "held_full",
        }
    }

    /// What a client's developer does about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::TransactionFull => "one transaction took as much as it may: send it again at once",
            Self::RequestFull => "it is more than one request may hold: send it again at once, in the next",
            Self::HeldFull => {
                "the daybook holds as much as it may: send what the held changes wait for, then this again"
            }
        }
    }
}

/// What a client's developer does about a change refused for its place in the daybook.
pub fn advice(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::SeqGap => {
            "the sequence number is not the actor's last plus one, though nothing is missing"
        }
        RefusalCode::StartOpLow => "start_op is not above every operation that the change depends on",
        RefusalCode::MissingObject => "an operation works in an object that does not exist",
        RefusalCode::MissingPredecessor => {
            "an operation names a predecessor that does not exist in its place"
        }
        RefusalCode::MissingElement => "an operation names an element that does not exist",
        RefusalCode::ActorFork => {
            "the actor has another change with this sequence number: reload under a fresh actor"
        }
        RefusalCode::OnRefused => "it depends on a change that was refused: reload",
        RefusalCode::TooDeep => "objects are nested too deep",
        RefusalCode::TooManyValues => {
            "it leaves more than 64 values under one key: an operation names the values that it replaces"
        }
        RefusalCode::MarkOrder => {
            "a range of rich text ends before it begins, or the daybook is too large to prove that it does not: reload, \
             and write it again without rich text"
        }
        _ => "the change was refused before: reload",
    }
}
