//! When keys are made and retired, so that nothing valid is ever refused because of a change of keys.
//!
//! A new key is stored a *lead* before it signs, so that every replica and every holder of the JWK set knows
//! it by then. The old key verifies for as long after that as the longest-lived thing it made.

use super::access::{ACCESS_TOKEN_SECONDS, LEEWAY_SECONDS};
use super::keys::{KeyRing, KeyTimes, KeyUse};
use super::nonce::NONCE_LIFE_MS_MAX;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `max-age` of the JWK set's answer, in seconds.
pub const JWKS_MAX_AGE_SECONDS: i64 = 15 * 60;
/// Every replica must read the key table at least this often. Until then it may sign with the old key, and
/// does not know a new one.
pub const RING_REFRESH_MS: i64 = 5 * MINUTE_MS;
/// How long a cursor at least stays good (a phone is offline for weeks).
pub const CURSOR_LIFE_MS: i64 = 90 * DAY_MS;
/// How long the same enrolment is answered with the same tokens (design, section 7).
pub const ENROLMENT_REPLAY_MS: i64 = DAY_MS;

/// How keys of one use follow each other; all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// From one key's coming into force to the next one's.
    pub period_ms: i64,
    /// From a key's being stored to its coming into force.
    pub lead_ms: i64,
    /// From the successor's coming into force to the end of verifying.
    pub keep_ms: i64,
}

impl Rotation {
    /// What we use (design, section 7; `reliability.md` 2.2: a lead of the set's `max-age` and a token's
    /// life).
    #[must_use]
    pub const fn of(key_use: KeyUse) -> Self {
        let (period_ms, lead_ms, life_ms) = match key_use {
            KeyUse::AccessToken => (
                30 * DAY_MS,
                (JWKS_MAX_AGE_SECONDS + ACCESS_TOKEN_SECONDS) * SECOND_MS,
                (ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS) * SECOND_MS,
            ),
            KeyUse::Nonce => (30 * DAY_MS, 2 * RING_REFRESH_MS, NONCE_LIFE_MS_MAX),
            KeyUse::Cursor => (180 * DAY_MS, 2 * RING_REFRESH_MS, CURSOR_LIFE_MS),
            KeyUse::Refresh => (365 * DAY_MS, 2 * RING_REFRESH_MS, ENROLMENT_REPLAY_MS),
        };
        Self { period_ms, lead_ms, keep_ms: life_ms + RING_REFRESH_MS }
    }
}

/// What to do to the key table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Keys to make: use, `active_from_ms`.
    pub create: Vec<(KeyUse, i64)>,
    /// Keys whose end is now known: key id, `retire_at_ms`.
    pub retire: Vec<(String, i64)>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.retire.is_empty()
    }
}

/// What there is to do now; to be asked at start and every few minutes, on any replica. Two replicas that
/// both make a key do no harm: the newest is used, the other one retires in its time. At the very first start
/// the key is in force at once, so read the table again after storing it.
#[must_use]
pub fn plan_rotation(ring: &KeyRing, now_ms: i64) -> Plan {
    plan_rotation_with(ring, now_ms, Rotation::of)
}

/// [`plan_rotation`] with other intervals than ours.
#[must_use]
pub fn plan_rotation_with(ring: &KeyRing, now_ms: i64, rotation: impl Fn(KeyUse) -> Rotation) -> Plan {
    let mut plan = Plan::default();
    for key_use in KeyUse::EVERY {
        let Rotation { period_ms, lead_ms, keep_ms } = rotation(key_use);
        let alive: Vec<&KeyTimes> =
            ring.times().filter(|key| key.key_use == key_use && !key.retired(now_ms)).collect();
        if !alive.iter().any(|key| key.active_from_ms <= now_ms) {
            plan.create.push((key_use, now_ms));
        } else if let Some(newest) = alive.last() {
            let due_ms = newest.active_from_ms.saturating_add(period_ms).saturating_sub(lead_ms);
            if now_ms >= due_ms {
                plan.create.push((key_use, now_ms.saturating_add(lead_ms)));
            }
        }
        for pair in alive.windows(2) {
            let [old, successor] = pair else { continue };
            if old.retire_at_ms.is_none() {
                // Never earlier than if the successor came into force now: whoever has not read the table
                // since may still be using the old key.
                let superseded_ms = successor.active_from_ms.max(now_ms);
                plan.retire.push((old.kid.clone(), superseded_ms.saturating_add(keep_ms)));
            }
        }
    }
    plan
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
