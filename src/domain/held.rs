//! What is said of changes that wait, and how long they may.

use super::limits::{HELD_NOTICE_AFTER_MS, HELD_NOTICE_MS};

/// The code in quarantine of a change that was held until its notice had passed. It binds nobody: sent again,
/// the change is looked at anew.
pub const HELD_EXPIRED: &str = "held_expired";

/// Until when a held change is kept at least: as its notice says, or what a notice would say.
#[must_use]
pub fn expires_at_ms(received_at_ms: i64, noticed: Option<i64>) -> i64 {
    let earliest = received_at_ms.saturating_add(HELD_NOTICE_AFTER_MS).saturating_add(HELD_NOTICE_MS);
    noticed.unwrap_or(earliest)
}

/// Why a change waits, in plain words for the resident.
#[must_use]
pub fn explained(reason: &str) -> &'static str {
    match reason {
        "missing_dependency" => {
            "This builds on something that has not arrived yet. It is taken up by itself as soon as the phone that \
             has the rest syncs."
        }
        "start_op_ahead" => {
            "This was written after something that has not arrived yet. It is taken up by itself as soon as the \
             phone that has the rest syncs."
        }
        "quota" => {
            "This is unusually large for what it says. It waits until the daybook has grown enough; ask the \
             people who run the server if it should not wait."
        }
        _ => "This waits, and is taken up by itself when it can be.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_counts_and_without_one_the_earliest_that_it_could_say() {
        assert_eq!(expires_at_ms(5, Some(7)), 7);
        assert_eq!(expires_at_ms(5, None), 5 + 44 * 86_400_000);
        assert_eq!(expires_at_ms(i64::MAX, None), i64::MAX);
    }
}
