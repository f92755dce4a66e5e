use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Value, json};

use super::*;
use crate::auth::encoding::decode as from_base64url;
use crate::auth::keys::{KeyRow, KeyUse, generate};
use crate::auth::p256::{generate_pkcs8, open_pkcs8};
use crate::auth::scopes::Scope;
use crate::auth::testing::{NOW_MS, random_of, ring, rows_of, secret};

const ISSUER: &str = "https://daybook.example";
const AUDIENCE: &str = "https://daybook.example/v1";
const NOW_S: i64 = NOW_MS.div_euclid(1_000);
const ID: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";

fn new_token(thumbprint: Option<&str>) -> NewToken<'_> {
    let id: uuid::Uuid = ID.parse().unwrap();
    NewToken {
        issuer: ISSUER,
        audience: AUDIENCE,
        party: PartyId(id),
        neighbourhood: NeighbourhoodId(id),
        grant: GrantId(id),
        scopes: [Scope::Sync, Scope::Manage].into_iter().collect(),
        thumbprint,
    }
}

fn token() -> String {
    issue(&ring(), &new_token(Some("thumb")), NOW_MS, &mut random_of(1)).unwrap()
}

fn check(token: &str) -> Result<Claims, TokenError> {
    verify(token, NOW_MS, &ring(), ISSUER, AUDIENCE)
}

fn our_kid() -> String {
    ring().signing(NOW_MS).unwrap().0.to_owned()
}

fn good_header() -> Value {
    json!({ "typ": "at+jwt", "alg": "ES256", "kid": our_kid() })
}

fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": ID, "iat": NOW_S, "exp": NOW_S + 600, "jti": "unique",
        "nbh": ID, "grant": ID, "scope": "sync manage", "cnf": { "jkt": "thumb" },
    })
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()))
}

/// Signs whatever it is given with our own key.
fn signed_text(header: &str, claims: &str) -> String {
    let message = message(header, claims);
    let ring = ring();
    let (_, key) = ring.signing(NOW_MS).unwrap();
    let signature = crypto::sign(message.as_bytes(), key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_text(&header.to_string(), &claims.to_string())
}

fn with_claims(claims: &Value) -> Result<Claims, TokenError> {
    check(&signed(&good_header(), claims))
}

fn with_header(header: &Value) -> Result<Claims, TokenError> {
    check(&signed(header, &good_claims()))
}

#[test]
fn a_token_says_what_it_was_issued_with() {
    let claims = check(&token()).unwrap();
    assert_eq!(claims.sub.to_string(), ID);
    assert_eq!((claims.iat, claims.exp), (NOW_S, NOW_S + 600));
    assert_eq!(claims.scope, "sync manage".parse().unwrap());
    assert_eq!(claims.check_binding(Some("thumb")), Ok(()));
    assert_eq!(claims.jti.len(), 22);
}

#[test]
fn the_corpus_starts_from_a_token_that_is_good() {
    assert!(with_claims(&good_claims()).is_ok());
    assert!(with_header(&with(good_header(), "jku", json!("https://evil.example/keys"))).is_ok());
}

#[test]
fn no_roles_are_in_a_token() {
    let payload = token().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&from_base64url(&payload).unwrap()).unwrap();
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "cnf", "exp", "grant", "iat", "iss", "jti", "nbh", "scope", "sub"]);
}

#[test]
fn two_tokens_never_have_the_same_id() {
    let mut random = random_of(1);
    let mut jti = || {
        let token = issue(&ring(), &new_token(None), NOW_MS, &mut random).unwrap();
        check(&token).unwrap().jti
    };
    assert_ne!(jti(), jti());
}

#[test]
fn every_claim_but_three_is_required() {
    for claim in ["iss", "aud", "sub", "iat", "exp", "jti", "nbh", "grant", "scope"] {
        assert_eq!(with_claims(&without(good_claims(), claim)), Err(TokenError::Claims), "without {claim}");
        let null = with(good_claims(), claim, json!(null));
        assert_eq!(with_claims(&null), Err(TokenError::Claims), "{claim} null");
    }
    assert!(with_claims(&without(good_claims(), "cnf")).is_ok());
    assert!(with_claims(&with(good_claims(), "unknown", json!([1]))).is_ok());
}

#[test]
fn claims_of_another_form_are_refused() {
    for (claim, value) in [
        ("sub", json!("somebody")),
        ("sub", json!("")),
        ("nbh", json!(7)),
        ("grant", json!("")),
        ("iat", json!("1795254061")),
        ("exp", json!("1795254661")),
        ("exp", json!(1e300)),
        ("iat", json!(-1e300)),
        ("scope", json!(["sync"])),
        ("cnf", json!("thumb")),
        ("cnf", json!({})),
        ("nbf", json!("now")),
    ] {
        let refused = with_claims(&with(good_claims(), claim, value.clone()));
        assert_eq!(refused, Err(TokenError::Claims), "{claim} {value}");
    }
    let double =
        good_claims().to_string().replacen('{', r#"{"sub":"0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b78","#, 1);
    assert_eq!(check(&signed_text(&good_header().to_string(), &double)), Err(TokenError::Claims));
}

#[test]
fn another_issuer_or_audience_is_refused() {
    for issuer in ["https://evil.example", "https://daybook.example/", "HTTPS://daybook.example", ""] {
        let refused = with_claims(&with(good_claims(), "iss", json!(issuer)));
        assert_eq!(refused, Err(TokenError::Issuer), "{issuer}");
    }
    for audience in ["https://evil.example", ISSUER, ""] {
        let refused = with_claims(&with(good_claims(), "aud", json!(audience)));
        assert_eq!(refused, Err(TokenError::Audience), "{audience}");
    }
}

#[test]
fn lists_of_issuers_and_audiences_are_refused() {
    // Even with us among them: we never write such a list, and it would let another service use the token.
    for claim in ["aud", "iss"] {
        let own = good_claims()[claim].clone();
        for list in [json!([own, "https://evil.example"]), json!([own]), json!([])] {
            let refused = with_claims(&with(good_claims(), claim, list.clone()));
            assert_eq!(refused, Err(TokenError::Claims), "{claim} {list}");
        }
    }
}

#[test]
fn the_leeway_is_five_seconds_to_the_millisecond() {
    let token = token();
    let at = |now_ms: i64| verify(&token, now_ms, &ring(), ISSUER, AUDIENCE).map(|_| ());
    let (iat_ms, exp_ms) = (NOW_S * 1_000, (NOW_S + ACCESS_TOKEN_SECONDS) * 1_000);
    assert_eq!(at(exp_ms + 4_999), Ok(()));
    assert_eq!(at(exp_ms + 5_000), Err(TokenError::Expired));
    assert_eq!(at(i64::MAX), Err(TokenError::Expired));
    assert_eq!(at(iat_ms - 5_000), Ok(()));
    assert_eq!(at(iat_ms - 5_001), Err(TokenError::NotYetValid));
    assert_eq!(at(i64::MIN), Err(TokenError::NotYetValid));
}

#[test]
fn a_time_that_has_not_come_is_refused() {
    let later = with(with(good_claims(), "iat", json!(NOW_S + 60)), "exp", json!(NOW_S + 120));
    assert_eq!(with_claims(&later), Err(TokenError::NotYetValid));
    assert_eq!(with_claims(&with(good_claims(), "nbf", json!(NOW_S + 60))), Err(TokenError::NotYetValid));
    assert!(with_claims(&with(good_claims(), "nbf", json!(NOW_S - 60))).is_ok());
    // An nbf in the past does not excuse an iat in the future.
    assert_eq!(with_claims(&with(later, "nbf", json!(0))), Err(TokenError::NotYetValid));
}

#[test]
fn a_life_that_issue_never_gives_is_refused() {
    for (iat, exp) in [
        (NOW_S, NOW_S + ACCESS_TOKEN_SECONDS + 1),
        (NOW_S, NOW_S),
        (NOW_S, NOW_S - 1),
        (0, NOW_S + 600),
        (i64::MIN, i64::MAX),
        (NOW_S, i64::MAX),
        (i64::MIN, i64::MIN),
    ] {
        let claims = with(with(good_claims(), "iat", json!(iat)), "exp", json!(exp));
        assert_eq!(with_claims(&claims), Err(TokenError::Claims), "{iat} {exp}");
    }
    let ancient = with(with(good_claims(), "iat", json!(0)), "exp", json!(600));
    assert_eq!(with_claims(&ancient), Err(TokenError::Expired));
    let remote = with(with(good_claims(), "iat", json!(i64::MAX - 600)), "exp", json!(i64::MAX));
    assert_eq!(with_claims(&remote), Err(TokenError::NotYetValid));
}

#[test]
fn only_a_token_of_ours_is_called_expired() {
    let expired = with(with(good_claims(), "iat", json!(NOW_S - 900)), "exp", json!(NOW_S - 300));
    let token = signed(&good_header(), &expired);
    assert_eq!(check(&token), Err(TokenError::Expired));
    let forged = format!("{}{}", &token[..token.len() - 86], "A".repeat(86));
    assert_eq!(check(&forged), Err(TokenError::Signature));
}

#[test]
fn every_changed_character_is_noticed() {
    let token = token();
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert!(check(&changed).is_err(), "{at}");
    }
}

#[test]
fn a_token_of_another_installation_is_refused_even_under_our_key_id() {
    let mut row: KeyRow = rows_of(0).into_iter().find(|row| row.key_use == KeyUse::AccessToken).unwrap();
    let theirs = generate(KeyUse::AccessToken, 0, 0, &secret(), &mut random_of(42)).unwrap();
    let foreign = KeyRing::open([theirs], &secret()).unwrap();
    let token = issue(&foreign, &new_token(None), NOW_MS, &mut random_of(1)).unwrap();
    assert_eq!(check(&token), Err(TokenError::UnknownKey));
    row.retire_at_ms = Some(NOW_MS);
    let retired = KeyRing::open([row], &secret()).unwrap();
    let refused = verify(&self::token(), NOW_MS, &retired, ISSUER, AUDIENCE);
    assert_eq!(refused, Err(TokenError::UnknownKey));
}

#[test]
fn a_scope_that_this_build_does_not_know_is_dropped() {
    let claims = with_claims(&with(good_claims(), "scope", json!("sync teleport"))).unwrap();
    assert_eq!(claims.scope, Scope::Sync.into());
}

#[test]
fn a_bound_token_needs_its_own_key_and_a_bearer_token_none() {
    let bound = check(&token()).unwrap();
    assert_eq!(bound.check_binding(Some("thumb")), Ok(()));
    assert_eq!(bound.check_binding(Some("other")), Err(TokenError::Binding));
    assert_eq!(bound.check_binding(None), Err(TokenError::Binding));
    let bearer = issue(&ring(), &new_token(None), NOW_MS, &mut random_of(1)).unwrap();
    let bearer = check(&bearer).unwrap();
    assert_eq!(bearer.check_binding(None), Ok(()));
    assert_eq!(bearer.check_binding(Some("thumb")), Err(TokenError::Binding));
}

#[path = "access_form_tests.rs"]
mod form;
