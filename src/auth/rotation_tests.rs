use super::*;
use crate::auth::access::{self, NewToken, TokenError};
use crate::auth::keys::{KeyRow, generate};
use crate::auth::nonce::{NONCE_LIFE_MS, nonce_make, nonce_valid};
use crate::auth::scopes::Scopes;
use crate::auth::secrets::{Minted, refresh_token};
use crate::auth::signed;
use crate::auth::testing::{NOW_MS, random_of, secret};
use crate::domain::ids::{GrantId, NeighbourhoodId, PartyId};

const STEP_MS: i64 = 15 * SECOND_MS;
const REPLICAS: usize = 3;
const ISSUER: &str = "https://daybook.example";

fn apply(rows: &mut Vec<KeyRow>, plan: &Plan, now_ms: i64, random: &mut dyn FnMut(&mut [u8])) {
    for (key_use, active_from_ms) in &plan.create {
        rows.push(generate(*key_use, now_ms, *active_from_ms, &secret(), random).unwrap());
    }
    for (kid, retire_at_ms) in &plan.retire {
        rows.iter_mut().find(|row| row.kid == *kid).unwrap().retire_at_ms = Some(*retire_at_ms);
    }
}

fn open(rows: &[KeyRow]) -> KeyRing {
    KeyRing::open(rows.iter().cloned(), &secret()).unwrap()
}

/// Something that was handed out.
struct Handed {
    at_ms: i64,
    token: String,
    nonce: String,
    cursor: String,
    refresh: Minted,
}

fn hand_out(ring: &KeyRing, at_ms: i64, random: &mut dyn FnMut(&mut [u8])) -> Handed {
    let new = NewToken {
        issuer: ISSUER,
        audience: ISSUER,
        party: PartyId(uuid::Uuid::nil()),
        neighbourhood: NeighbourhoodId(uuid::Uuid::nil()),
        grant: GrantId(uuid::Uuid::nil()),
        scopes: Scopes::ALL,
        thumbprint: None,
    };
    Handed {
        at_ms,
        token: access::issue(ring, &new, at_ms, random).unwrap(),
        nonce: nonce_make(ring, at_ms).unwrap(),
        cursor: signed::seal(ring, "list", b"here", at_ms).unwrap(),
        refresh: refresh_token(ring, new.neighbourhood, new.grant, b"", at_ms).unwrap(),
    }
}

/// How many of the checks of what is still good fail at a replica.
fn refused(ring: &KeyRing, handed: &Handed, now_ms: i64) -> usize {
    let age_ms = now_ms - handed.at_ms;
    let mut refused = 0;
    if age_ms < ACCESS_TOKEN_SECONDS * SECOND_MS {
        refused += usize::from(access::verify(&handed.token, now_ms, ring, ISSUER, ISSUER).is_err());
    }
    if age_ms <= NONCE_LIFE_MS {
        refused += usize::from(!nonce_valid(ring, &handed.nonce, now_ms));
    }
    if age_ms <= CURSOR_LIFE_MS {
        refused += usize::from(signed::open(ring, "list", &handed.cursor, now_ms).is_err());
    }
    if age_ms <= ENROLMENT_REPLAY_MS {
        let nil = uuid::Uuid::nil();
        let again = refresh_token(ring, NeighbourhoodId(nil), GrantId(nil), b"", handed.at_ms);
        refused += usize::from(again.as_ref() != Ok(&handed.refresh));
    }
    refused
}

/// Runs replicas that each read the table every five minutes, with the oldest reading allowed, while the table
/// is rotated every minute and retired keys are deleted at once. Returns checks made, and refused.
fn run(rotation: impl Fn(KeyUse) -> Rotation, minutes: i64) -> (usize, usize) {
    let mut random = random_of(11);
    let mut rows = Vec::new();
    let first = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &first, NOW_MS, &mut random);
    let mut rings: Vec<KeyRing> = (0..REPLICAS).map(|_| open(&rows)).collect();
    let mut handed: Vec<Handed> = Vec::new();
    let (mut checks, mut failures) = (0, 0);
    for step in 1..=minutes * MINUTE_MS / STEP_MS {
        let now_ms = NOW_MS + step * STEP_MS;
        if step % (MINUTE_MS / STEP_MS) == 0 {
            rows.retain(|row| row.retire_at_ms.is_none_or(|at| at > now_ms));
            let plan = plan_rotation_with(&open(&rows), now_ms, &rotation);
            apply(&mut rows, &plan, now_ms, &mut random);
        }
        for (at, ring) in rings.iter_mut().enumerate() {
            let reads = RING_REFRESH_MS / STEP_MS;
            if step % reads == i64::try_from(at).unwrap() * reads / i64::try_from(REPLICAS).unwrap() {
                *ring = open(&rows);
            }
        }
        let maker = usize::try_from(step).unwrap() % REPLICAS;
        handed.push(hand_out(&rings[maker], now_ms, &mut random));
        // The newest, a few of every age, and those whose life is about to end.
        let check =
            handed.iter().rev().enumerate().filter(|(age, _)| *age < 4 || age % 13 == 0 || *age == 39);
        for (_, one) in check {
            for ring in &rings {
                checks += 1;
                failures += refused(ring, one, now_ms);
            }
        }
    }
    (checks, failures)
}

fn every_minute(key_use: KeyUse) -> Rotation {
    Rotation { period_ms: MINUTE_MS, ..Rotation::of(key_use) }
}

#[test]
fn nothing_valid_is_refused_while_keys_rotate_every_minute() {
    let (checks, refused) = run(every_minute, 120);
    assert!(checks > 10_000);
    assert_eq!(refused, 0);
}

#[test]
fn without_lead_or_overlap_the_same_run_refuses() {
    let (_, refused) = run(|key_use| Rotation { lead_ms: 0, ..every_minute(key_use) }, 30);
    assert!(refused > 0, "without lead");
    let (_, refused) = run(|key_use| Rotation { keep_ms: 0, ..every_minute(key_use) }, 60);
    assert!(refused > 0, "without overlap");
}

#[test]
fn the_first_start_makes_one_key_of_each_use_in_force_at_once() {
    let mut rows = Vec::new();
    let plan = plan_rotation(&open(&rows), NOW_MS);
    assert_eq!(plan.create, KeyUse::EVERY.map(|key_use| (key_use, NOW_MS)));
    apply(&mut rows, &plan, NOW_MS, &mut random_of(1));
    assert!(plan_rotation(&open(&rows), NOW_MS).is_empty());
}

#[test]
fn asking_again_before_the_new_key_signs_makes_no_second_one() {
    let mut rows = Vec::new();
    let mut random = random_of(1);
    let first = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &first, NOW_MS, &mut random);
    let Rotation { period_ms, lead_ms, keep_ms } = Rotation::of(KeyUse::AccessToken);
    let due_ms = NOW_MS + period_ms - lead_ms;
    let of_access = |plan: &Plan| {
        let of_use = plan.create.iter().filter(|(key_use, _)| *key_use == KeyUse::AccessToken);
        of_use.map(|(_, active_from_ms)| *active_from_ms).collect::<Vec<_>>()
    };
    assert!(of_access(&plan_rotation(&open(&rows), due_ms - 1)).is_empty());
    let plan = plan_rotation(&open(&rows), due_ms);
    assert_eq!(of_access(&plan), [NOW_MS + period_ms]);
    apply(&mut rows, &plan, due_ms, &mut random);
    let plan = plan_rotation(&open(&rows), due_ms);
    assert!(of_access(&plan).is_empty());
    // The old key's end is now known.
    assert!(plan.retire.iter().any(|(_, at_ms)| *at_ms == NOW_MS + period_ms + keep_ms));
    apply(&mut rows, &plan, due_ms, &mut random);
    assert!(plan_rotation(&open(&rows), due_ms).is_empty());
}

#[test]
fn after_a_long_stop_the_old_key_goes_on_until_a_new_one_is_known() {
    let mut rows = Vec::new();
    let mut random = random_of(1);
    let first = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &first, NOW_MS, &mut random);
    let later_ms = NOW_MS + 800 * DAY_MS;
    let plan = plan_rotation(&open(&rows), later_ms);
    assert!(plan.create.iter().all(|(_, active_from_ms)| *active_from_ms > later_ms));
    assert!(open(&rows).signing(later_ms).is_ok());
}

#[test]
fn of_two_keys_made_at_once_the_one_not_used_retires() {
    let mut rows = Vec::new();
    let plan = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &plan, NOW_MS, &mut random_of(1));
    apply(&mut rows, &plan, NOW_MS, &mut random_of(2));
    let ring = open(&rows);
    let plan = plan_rotation(&ring, NOW_MS);
    assert_eq!(plan.create, []);
    assert_eq!(plan.retire.len(), KeyUse::EVERY.len());
    let (signing, _) = ring.signing(NOW_MS).unwrap();
    assert!(plan.retire.iter().all(|(kid, _)| kid != signing));
}

#[test]
fn a_key_superseded_long_ago_still_gets_its_whole_overlap_from_now() {
    let mut rows = Vec::new();
    let mut random = random_of(1);
    let first = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &first, NOW_MS, &mut random);
    let second_ms = NOW_MS + DAY_MS;
    rows.push(generate(KeyUse::Nonce, NOW_MS, second_ms, &secret(), &mut random).unwrap());
    let late_ms = second_ms + 7 * DAY_MS;
    let ends: Vec<i64> =
        plan_rotation(&open(&rows), late_ms).retire.iter().map(|(_, at_ms)| *at_ms).collect();
    assert_eq!(ends, [late_ms + Rotation::of(KeyUse::Nonce).keep_ms]);
}

#[test]
fn a_key_that_an_operator_ended_is_replaced_at_once() {
    let mut rows = Vec::new();
    let mut random = random_of(1);
    let first = plan_rotation(&open(&rows), NOW_MS);
    apply(&mut rows, &first, NOW_MS, &mut random);
    let token = hand_out(&open(&rows), NOW_MS, &mut random).token;
    let stolen = rows.iter_mut().find(|row| row.key_use == KeyUse::AccessToken).unwrap();
    stolen.retire_at_ms = Some(NOW_MS + 1);
    let ring = open(&rows);
    assert_eq!(plan_rotation(&ring, NOW_MS + 1).create, [(KeyUse::AccessToken, NOW_MS + 1)]);
    let verified = access::verify(&token, NOW_MS + 1, &ring, ISSUER, ISSUER);
    assert_eq!(verified, Err(TokenError::UnknownKey));
}

#[test]
fn a_new_key_is_in_every_cached_set_before_it_signs() {
    let lead_ms = Rotation::of(KeyUse::AccessToken).lead_ms;
    assert!(lead_ms >= (JWKS_MAX_AGE_SECONDS + ACCESS_TOKEN_SECONDS) * SECOND_MS);
    assert!(lead_ms >= JWKS_MAX_AGE_SECONDS * SECOND_MS + RING_REFRESH_MS);
}
