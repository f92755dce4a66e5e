use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::json;

use super::*;
use crate::auth::encoding::decode;
use crate::auth::nonce::{NONCE_LIFE_MS_MAX, nonce_make, nonce_valid};
use crate::auth::p256::{generate_pkcs8, open_pkcs8};
use crate::auth::phone_key::PhoneKey;
use crate::auth::testing::{NOW_MS, random_of, ring, ring_of};

const URL: &str = "https://daybook.example/v1/sync";
const NONCE: &str = "the-nonce";
const TOKEN: &str = "the.access.token";
const NOW_S: i64 = NOW_MS / 1_000;

fn phone() -> PhoneKey {
    PhoneKey::generate(&mut random_of(1)).unwrap()
}

fn check_for(proof: &str, method: &str, url: &str, access_token: Option<&str>) -> Result<Proof, DpopError> {
    verify(proof, &DpopCheck { method, url, access_token, nonce_ok: &|nonce| nonce == NONCE })
}

fn check(proof: &str) -> Result<Proof, DpopError> {
    check_for(proof, "POST", URL, Some(TOKEN))
}

fn proof() -> String {
    phone().proof("POST", URL, Some(NONCE), Some(TOKEN), NOW_S, "jti").unwrap()
}

fn jwk() -> Value {
    serde_json::from_str(&phone().jwk()).unwrap()
}

fn good_header() -> Value {
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk() })
}

fn good_claims() -> Value {
    json!({
        "jti": "jti", "htm": "POST", "htu": URL, "iat": NOW_S, "ath": token_hash(TOKEN), "nonce": NONCE,
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

fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let key = EncodingKey::from_ec_der(phone().to_pkcs8());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

fn with_header(header: &Value) -> Result<Proof, DpopError> {
    check(&signed(&header.to_string(), &good_claims().to_string()))
}

fn with_claims(claims: &Value) -> Result<Proof, DpopError> {
    check(&signed(&good_header().to_string(), &claims.to_string()))
}

#[test]
fn a_proof_proves_the_phones_key() {
    let expected = Proof { thumbprint: phone().thumbprint(), jwk: phone().jwk(), jti: "jti".to_owned() };
    assert_eq!(check(&proof()), Ok(expected.clone()));
    assert_eq!(with_claims(&good_claims()), Ok(expected));
}

#[test]
fn a_kept_key_is_the_same_key() {
    let again = PhoneKey::from_pkcs8(phone().to_pkcs8()).unwrap();
    assert_eq!(again.thumbprint(), phone().thumbprint());
    assert!(PhoneKey::from_pkcs8(b"no key").is_err());
    assert_eq!(format!("{:?}", phone()), format!("PhoneKey({:?})", phone().thumbprint()));
}

/// RFC 9449, figures 12 and 13: the proof of a request to a protected resource, with its access token.
const RFC_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMz\
    R0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1\
    JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZ\
    S5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXW\
    G9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxh\
    AJpLjA";
const RFC_URL: &str = "https://resource.example.org/protectedresource";
const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

#[test]
fn the_proof_of_the_standard_is_as_we_read_it() {
    // It carries no nonce, so all but that and the signature is checked by `verify` …
    assert_eq!(check_for(RFC_PROOF, "GET", RFC_URL, Some(RFC_TOKEN)), Err(DpopError::UseNonce));
    assert_eq!(check_for(RFC_PROOF, "POST", RFC_URL, Some(RFC_TOKEN)), Err(DpopError::Method));
    assert_eq!(check_for(RFC_PROOF, "GET", URL, Some(RFC_TOKEN)), Err(DpopError::Url));
    assert_eq!(check_for(RFC_PROOF, "GET", RFC_URL, Some(TOKEN)), Err(DpopError::AccessToken));
    // … and the signature here.
    let compact = jws::read(RFC_PROOF, TYPE, PROOF_BYTES_MAX).unwrap();
    let point = point(compact.jwk.as_ref().unwrap()).unwrap();
    assert!(point.verifies(compact.message.as_bytes(), &compact.signature));
    assert_eq!(point.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(token_hash(RFC_TOKEN), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

#[test]
fn a_proof_for_another_request_is_refused() {
    let proof = proof();
    assert_eq!(check_for(&proof, "GET", URL, Some(TOKEN)), Err(DpopError::Method));
    assert_eq!(check_for(&proof, "post", URL, Some(TOKEN)), Err(DpopError::Method));
    for url in [
        "https://daybook.example/v1/me",
        "http://daybook.example/v1/sync",
        "https://evil.example/v1/sync",
        "",
    ] {
        assert_eq!(check_for(&proof, "POST", url, Some(TOKEN)), Err(DpopError::Url), "{url}");
    }
    assert_eq!(with_claims(&with(good_claims(), "htu", json!("/v1/sync"))), Err(DpopError::Url));
}

#[test]
fn query_and_fragment_do_not_matter() {
    assert!(check_for(&proof(), "POST", &format!("{URL}?limit=1"), Some(TOKEN)).is_ok());
    let proof = phone().proof("POST", &format!("{URL}?a=b#c"), Some(NONCE), Some(TOKEN), NOW_S, "j").unwrap();
    assert!(check(&proof).is_ok());
    let claims: Value = serde_json::from_slice(&jws::read(&proof, TYPE, 4096).unwrap().payload).unwrap();
    assert_eq!(claims["htu"], URL);
}

#[test]
fn a_proof_for_another_access_token_is_refused() {
    assert_eq!(check_for(&proof(), "POST", URL, Some("another")), Err(DpopError::AccessToken));
    assert_eq!(with_claims(&without(good_claims(), "ath")), Err(DpopError::AccessToken));
    assert_eq!(with_claims(&with(good_claims(), "ath", json!(TOKEN))), Err(DpopError::AccessToken));
    let padded = format!("{}=", token_hash(TOKEN));
    assert_eq!(with_claims(&with(good_claims(), "ath", json!(padded))), Err(DpopError::AccessToken));
    // Where no token is sent, as for enrolling, none is asked for.
    let bare = phone().proof("POST", URL, Some(NONCE), None, NOW_S, "jti").unwrap();
    assert!(check_for(&bare, "POST", URL, None).is_ok());
}

#[test]
fn other_algorithms_types_and_extensions_are_refused() {
    for alg in ["none", "HS256", "ES384", "ES256K", "EdDSA", "RS256", "es256", ""] {
        let refused = with_header(&with(good_header(), "alg", json!(alg)));
        assert_eq!(refused, Err(DpopError::Form(JwsError::Algorithm)), "{alg}");
    }
    for typ in ["JWT", "at+jwt", "application/dpop+jwt", "DPOP+JWT", ""] {
        let refused = with_header(&with(good_header(), "typ", json!(typ)));
        assert_eq!(refused, Err(DpopError::Form(JwsError::Type)), "{typ}");
    }
    assert_eq!(with_header(&without(good_header(), "typ")), Err(DpopError::Form(JwsError::Type)));
    for crit in [json!(["nonce"]), json!([]), json!(null)] {
        let refused = with_header(&with(good_header(), "crit", crit));
        assert_eq!(refused, Err(DpopError::Form(JwsError::Critical)));
    }
}

#[test]
fn the_required_claims_are_required() {
    for claim in ["jti", "htm", "htu", "iat"] {
        assert_eq!(with_claims(&without(good_claims(), claim)), Err(DpopError::Claims), "{claim}");
        assert_eq!(with_claims(&with(good_claims(), claim, json!(null))), Err(DpopError::Claims), "{claim}");
    }
    for (claim, value) in [
        ("jti", json!("")),
        ("jti", json!("x".repeat(JTI_BYTES_MAX + 1))),
        ("jti", json!(5)),
        ("iat", json!("1795254061")),
        ("nonce", json!(5)),
        ("ath", json!([])),
    ] {
        assert_eq!(with_claims(&with(good_claims(), claim, value)), Err(DpopError::Claims), "{claim}");
    }
    let double = good_claims().to_string().replacen('{', r#"{"htm":"GET","#, 1);
    assert_eq!(check(&signed(&good_header().to_string(), &double)), Err(DpopError::Claims));
}

#[test]
fn without_a_good_nonce_the_phone_is_told_to_use_one() {
    let no_nonce = phone().proof("POST", URL, None, Some(TOKEN), NOW_S, "jti").unwrap();
    assert_eq!(check(&no_nonce), Err(DpopError::UseNonce));
    assert_eq!(with_claims(&with(good_claims(), "nonce", json!("other"))), Err(DpopError::UseNonce));
    assert_eq!(with_claims(&with(good_claims(), "nonce", json!(null))), Err(DpopError::UseNonce));
    assert_eq!(DpopError::UseNonce.code(), "use_dpop_nonce");
    assert_eq!(DpopError::Signature.code(), "invalid_dpop_proof");
}

#[test]
fn our_own_nonce_dates_a_proof_and_the_phones_clock_does_not() {
    let ring = ring();
    let nonce = nonce_make(&ring, NOW_MS).unwrap();
    let at = |proof: &str, now_ms: i64| {
        let nonce_ok = |nonce: &str| nonce_valid(&ring, nonce, now_ms);
        verify(proof, &DpopCheck { method: "POST", url: URL, access_token: None, nonce_ok: &nonce_ok })
    };
    let day_s = 86_400;
    for clock_s in [NOW_S, NOW_S - 400 * day_s, NOW_S + 400 * day_s, 0, -1, i64::MIN, i64::MAX] {
        let proof = phone().proof("POST", URL, Some(&nonce), None, clock_s, "jti").unwrap();
        assert!(at(&proof, NOW_MS).is_ok(), "{clock_s}");
        assert_eq!(at(&proof, NOW_MS + NONCE_LIFE_MS_MAX), Err(DpopError::UseNonce), "{clock_s}");
    }
    let foreign = nonce_make(&ring_of(8), NOW_MS).unwrap();
    let proof = phone().proof("POST", URL, Some(&foreign), None, NOW_S, "jti").unwrap();
    assert_eq!(at(&proof, NOW_MS), Err(DpopError::UseNonce));
}

#[test]
fn every_changed_character_is_noticed() {
    let proof = proof();
    for at in 0..proof.len() {
        let other = if proof.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &proof[..at], &proof[at + 1..]);
        assert!(check(&changed).is_err(), "{at}");
    }
}

#[test]
fn what_is_no_compact_jws_is_refused() {
    let proof = proof();
    for text in [
        String::new(),
        "a.b".to_owned(),
        format!("{proof}."),
        format!("{proof},{proof}"),
        format!("{proof} "),
    ] {
        assert_eq!(check(&text), Err(DpopError::Form(JwsError::Malformed)), "{text:?}");
    }
    let long = with_claims(&with(good_claims(), "more", json!("x".repeat(PROOF_BYTES_MAX))));
    assert_eq!(long, Err(DpopError::Form(JwsError::TooLong)));
    let signature = decode(proof.rsplit_once('.').unwrap().1).unwrap();
    assert_eq!(signature.len(), 64);
}

#[path = "dpop_key_tests.rs"]
mod key;
