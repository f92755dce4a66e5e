//! Headers, signatures and forms that are not as they must be.

use super::*;

#[test]
fn other_algorithms_are_refused() {
    let header = |alg: &str| with(good_header(), "alg", json!(alg)).to_string();
    let claims = good_claims().to_string();
    let wrong = Err(TokenError::Form(JwsError::Algorithm));
    for alg in ["none", "None", "", "es256", "ES384", "RS256", "PS256", "EdDSA", "HS256"] {
        assert_eq!(check(&signed_text(&header(alg), &claims)), wrong, "{alg}");
        assert_eq!(check(&format!("{}.", message(&header(alg), &claims))), wrong, "{alg} without signature");
    }

    // HMAC with the public key, which everybody knows, as the secret.
    let jwks = ring().jwks(NOW_MS);
    let coordinate = |name: &str| from_base64url(jwks["keys"][0][name].as_str().unwrap()).unwrap();
    let public = [vec![4], coordinate("x"), coordinate("y")].concat();
    let text = message(&header("HS256"), &claims);
    let key = EncodingKey::from_secret(&public);
    let forged = crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
    assert_eq!(check(&format!("{text}.{forged}")), wrong);
    let text = message(&good_header().to_string(), &claims);
    let forged = crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
    assert_eq!(check(&format!("{text}.{forged}")), Err(TokenError::Signature));
}

#[test]
fn an_absent_or_double_algorithm_is_refused() {
    let malformed = Err(TokenError::Form(JwsError::Malformed));
    assert_eq!(with_header(&without(good_header(), "alg")), malformed);
    assert_eq!(with_header(&with(good_header(), "alg", json!(["ES256"]))), malformed);
    let double = format!(r#"{{"typ":"at+jwt","kid":"{}","alg":"none","alg":"ES256"}}"#, our_kid());
    assert_eq!(check(&signed_text(&double, &good_claims().to_string())), malformed);
}

#[test]
fn other_types_are_refused() {
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "dpop+jwt", "at+jwt ", ""] {
        let refused = with_header(&with(good_header(), "typ", json!(typ)));
        assert_eq!(refused, Err(TokenError::Form(JwsError::Type)), "{typ}");
    }
    assert_eq!(with_header(&without(good_header(), "typ")), Err(TokenError::Form(JwsError::Type)));
}

#[test]
fn only_our_own_keys_are_looked_up() {
    let nonce_kid = rows_of(0).into_iter().find(|row| row.key_use == KeyUse::Nonce).unwrap().kid;
    for kid in [nonce_kid.as_str(), "AAAAAAAAAAAA", "", "../../dev/null", "' OR 1=1"] {
        assert_eq!(
            with_header(&with(good_header(), "kid", json!(kid))),
            Err(TokenError::UnknownKey),
            "{kid}"
        );
    }
    assert_eq!(with_header(&without(good_header(), "kid")), Err(TokenError::UnknownKey));
}

#[test]
fn the_key_in_a_token_is_not_believed() {
    let (key, point) = open_pkcs8(&generate_pkcs8(&mut random_of(77)).unwrap()).unwrap();
    let jwk: Value = serde_json::from_str(&point.jwk()).unwrap();
    let header = with(good_header(), "jwk", jwk).to_string();
    let text = message(&header, &good_claims().to_string());
    let signature = crypto::sign(text.as_bytes(), &key, Algorithm::ES256).unwrap();
    assert_eq!(check(&format!("{text}.{signature}")), Err(TokenError::Signature));
}

#[test]
fn critical_extensions_are_refused_whatever_they_are() {
    for crit in [json!(["b64"]), json!([]), json!(null), json!("exp"), json!(["exp"])] {
        let refused = with_header(&with(good_header(), "crit", crit.clone()));
        assert_eq!(refused, Err(TokenError::Form(JwsError::Critical)), "{crit}");
    }
}

#[test]
fn what_is_not_three_parts_of_base64url_is_refused() {
    let token = token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    for text in [
        String::new(),
        "..".to_owned(),
        ".".to_owned(),
        message.to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("{header}.{payload}. {signature}"),
        format!("{}.{payload}.{signature}", base64url(b"[]")),
        format!("{}.{payload}.{signature}", base64url(b"{} {}")),
        format!("{}.{payload}.{signature}", base64url(&[0xff, 0xfe])),
        format!("{}.{payload}.{signature}", base64url("[".repeat(900).as_bytes())),
    ] {
        assert_eq!(check(&text), Err(TokenError::Form(JwsError::Malformed)), "{text:?}");
    }
    for unsigned in [format!("{header}.{payload}."), format!("{header}..{signature}")] {
        assert_eq!(check(&unsigned), Err(TokenError::Signature));
    }
    let der = check(&format!("{message}.{}", base64url(&[0x30, 0x06, 2, 1, 1, 2, 1, 1])));
    assert_eq!(der, Err(TokenError::Signature));
    let zero = check(&format!("{message}.{}", base64url(&[0; 64])));
    assert_eq!(zero, Err(TokenError::Signature));
    assert_eq!(check(&signed_text(&good_header().to_string(), "not json")), Err(TokenError::Claims));
}

#[test]
fn a_long_text_is_refused_before_it_is_read() {
    let padded = with(good_claims(), "unknown", json!("x".repeat(ACCESS_TOKEN_BYTES_MAX)));
    assert_eq!(with_claims(&padded), Err(TokenError::Form(JwsError::TooLong)));
    assert!(token().len() * 2 < ACCESS_TOKEN_BYTES_MAX);
}
