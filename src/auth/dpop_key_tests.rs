//! Keys that a proof must not carry, and keys that are not the phone's.

use super::*;

#[test]
fn a_private_key_in_the_header_is_refused() {
    for member in PRIVATE_MEMBERS {
        for value in [json!("AAAA"), json!(null)] {
            let header = with(good_header(), "jwk", with(jwk(), member, value));
            assert_eq!(with_header(&header), Err(DpopError::PrivateKey), "{member}");
        }
    }
}

#[test]
fn other_keys_than_points_of_p256_are_refused() {
    let (x, y) = (jwk()["x"].clone(), jwk()["y"].clone());
    for other in [
        json!({}),
        json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": x, "y": y }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
        json!({ "kty": "RSA", "n": x, "e": "AQAB" }),
        json!({ "kty": "EC", "crv": "P-256", "x": x }),
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x }),
        json!({ "kty": "EC", "crv": "P-256", "x": "", "y": "" }),
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&[0; 32]), "y": encode(&[0; 32]) }),
        json!({ "kty": "EC", "crv": "P-256", "x": 1, "y": 2 }),
        json!({ "kty": "EC", "crv": "P-256", "x": format!("{}=", x.as_str().unwrap()), "y": y }),
        json!({ "kty": "ec", "crv": "P-256", "x": x, "y": y }),
    ] {
        assert_eq!(with_header(&with(good_header(), "jwk", other.clone())), Err(DpopError::Key), "{other}");
    }
    assert_eq!(with_header(&without(good_header(), "jwk")), Err(DpopError::Key));
    for other in [json!("key"), json!([jwk()])] {
        let refused = with_header(&with(good_header(), "jwk", other.clone()));
        assert_eq!(refused, Err(DpopError::Form(JwsError::Malformed)), "{other}");
    }
}

#[test]
fn members_that_browsers_add_to_a_key_do_no_harm() {
    let exported = with(with(jwk(), "ext", json!(true)), "key_ops", json!(["verify"]));
    let proof = with_header(&with(good_header(), "jwk", exported)).unwrap();
    assert_eq!(proof.jwk, phone().jwk());
}

#[test]
fn another_key_cannot_sign_in_the_phones_name() {
    let (thief, _) = open_pkcs8(&generate_pkcs8(&mut random_of(66)).unwrap()).unwrap();
    let proof = proof();
    let (message, signature) = proof.rsplit_once('.').unwrap();
    let forged = crypto::sign(message.as_bytes(), &thief, Algorithm::ES256).unwrap();
    assert_eq!(check(&format!("{message}.{forged}")), Err(DpopError::Signature));
    // Nor can a thief put a new claim under the old signature, or another key over it.
    let (header, _) = message.split_once('.').unwrap();
    let other_claims = encode(with(good_claims(), "jti", json!("other")).to_string().as_bytes());
    assert_eq!(check(&format!("{header}.{other_claims}.{signature}")), Err(DpopError::Signature));
    let thiefs = PhoneKey::generate(&mut random_of(66)).unwrap();
    let swapped = with(good_header(), "jwk", serde_json::from_str(&thiefs.jwk()).unwrap());
    let swapped = encode(swapped.to_string().as_bytes());
    let (_, claims) = message.split_once('.').unwrap();
    assert_eq!(check(&format!("{swapped}.{claims}.{signature}")), Err(DpopError::Signature));
}

#[test]
fn replaying_with_another_key_proves_the_other_key() {
    let thiefs = PhoneKey::generate(&mut random_of(66)).unwrap();
    let proof = thiefs.proof("POST", URL, Some(NONCE), Some(TOKEN), NOW_S, "jti").unwrap();
    // It is a good proof, of a key to which the token is not bound.
    assert_ne!(check(&proof).unwrap().thumbprint, phone().thumbprint());
}
