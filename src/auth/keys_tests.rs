use super::*;
use crate::auth::testing::{NOW_MS, random_of, ring, rows_of, secret};

fn row_of(key_use: KeyUse) -> KeyRow {
    rows_of(0).into_iter().find(|row| row.key_use == key_use).unwrap()
}

fn why_not(row: KeyRow, secret: &SealingSecret) -> KeyError {
    KeyRing::open([row], secret).unwrap_err()
}

#[test]
fn a_key_of_each_use_opens_and_works() {
    let ring = ring();
    assert_eq!(ring.times().count(), 4);
    let (kid, _) = ring.signing(NOW_MS).unwrap();
    assert!(ring.verifying(kid, NOW_MS).is_some());
    for key_use in [KeyUse::Nonce, KeyUse::Cursor, KeyUse::Refresh] {
        let (kid, mac) = ring.mac(key_use, NOW_MS).unwrap();
        let again = ring.mac_by_kid(key_use, kid, NOW_MS).unwrap();
        assert_eq!(mac.whole(&[b"x"]), again.whole(&[b"x"]));
    }
}

#[test]
fn a_key_opens_under_its_own_secret_id_and_use_only() {
    let other = SealingSecret::new(b"another secret, also of a good length").unwrap();
    for row in rows_of(0) {
        assert!(KeyRing::open([row.clone()], &secret()).is_ok());
        let refused = |kid: String| KeyError::CannotOpen { kid, reason: SealError::CannotOpen };

        assert_eq!(why_not(row.clone(), &other), refused(row.kid.clone()));

        let renamed = KeyRow { kid: "AAAAAAAAAAAA".to_owned(), ..row.clone() };
        assert_eq!(why_not(renamed, &secret()), refused("AAAAAAAAAAAA".to_owned()));

        for key_use in KeyUse::EVERY.into_iter().filter(|key_use| *key_use != row.key_use) {
            let misused = KeyRow { key_use, ..row.clone() };
            assert_eq!(why_not(misused, &secret()), refused(row.kid.clone()));
        }
    }
}

#[test]
fn one_key_that_does_not_open_fails_the_ring() {
    let mut rows = rows_of(0);
    rows[2].sealed.pop();
    assert!(KeyRing::open(rows, &secret()).is_err());
}

#[test]
fn a_key_that_opens_to_something_else_is_damaged() {
    for key_use in [KeyUse::AccessToken, KeyUse::Nonce] {
        let mut row = row_of(key_use);
        row.sealed = secret().seal(&about(key_use, &row.kid), b"nothing", &mut random_of(5)).unwrap();
        assert_eq!(why_not(row.clone(), &secret()), KeyError::Damaged { kid: row.kid });
    }
    let mut row = row_of(KeyUse::Nonce);
    for kid in ["", "short", "much too long for an id", "éééééé"] {
        row.kid = kid.to_owned();
        assert_eq!(why_not(row.clone(), &secret()), KeyError::Damaged { kid: kid.to_owned() });
    }
}

#[test]
fn the_newest_active_key_is_in_force() {
    let mut random = random_of(3);
    let mut make = |active_from_ms, retire_at_ms| {
        let row = generate(KeyUse::AccessToken, 0, active_from_ms, &secret(), &mut random).unwrap();
        KeyRow { retire_at_ms, ..row }
    };
    let (old, new, future) = (make(100, Some(900)), make(200, None), make(300, None));
    // Whatever the order of the rows.
    let ring = KeyRing::open([future.clone(), old.clone(), new.clone()], &secret()).unwrap();
    let in_force = |at_ms| ring.signing(at_ms).map(|(kid, _)| kid.to_owned());
    assert_eq!(in_force(99), Err(KeyError::NoneInForce(KeyUse::AccessToken)));
    assert_eq!(in_force(100), Ok(old.kid.clone()));
    assert_eq!(in_force(199), Ok(old.kid.clone()));
    assert_eq!(in_force(200), Ok(new.kid.clone()));
    assert_eq!(in_force(300), Ok(future.kid.clone()));
    // Verifying goes on until the end, and is possible before the beginning.
    assert!(ring.verifying(&old.kid, 899).is_some());
    assert!(ring.verifying(&old.kid, 900).is_none());
    assert!(ring.verifying(&future.kid, 100).is_some());
}

#[test]
fn a_retired_key_signs_nothing() {
    let mut row = row_of(KeyUse::AccessToken);
    row.retire_at_ms = Some(NOW_MS);
    let ring = KeyRing::open([row], &secret()).unwrap();
    assert!(ring.signing(NOW_MS - 1).is_ok());
    assert_eq!(ring.signing(NOW_MS).err(), Some(KeyError::NoneInForce(KeyUse::AccessToken)));
}

#[test]
fn a_key_of_one_use_is_not_found_under_another() {
    let ring = ring();
    let nonce_kid = row_of(KeyUse::Nonce).kid;
    assert!(ring.mac_by_kid(KeyUse::Cursor, &nonce_kid, NOW_MS).is_none());
    assert!(ring.verifying(&nonce_kid, NOW_MS).is_none());
}

#[test]
fn the_published_set_holds_public_keys_and_nothing_else() {
    let mut rows = rows_of(0);
    let (signing, future) = (row_of(KeyUse::AccessToken), NOW_MS + 1_000);
    rows.push(generate(KeyUse::AccessToken, NOW_MS, future, &secret(), &mut random_of(4)).unwrap());
    let mut gone = generate(KeyUse::AccessToken, 0, 0, &secret(), &mut random_of(5)).unwrap();
    gone.retire_at_ms = Some(NOW_MS);
    rows.push(gone);
    let set = KeyRing::open(rows, &secret()).unwrap().jwks(NOW_MS);
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["kid"], signing.kid);
    for key in keys {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(
            (&key["alg"], &key["use"], &key["crv"]),
            (&"ES256".into(), &"sig".into(), &"P-256".into())
        );
        assert!(Point::from_jwk(key["x"].as_str().unwrap(), key["y"].as_str().unwrap()).is_some());
    }
}

#[test]
fn parts_of_a_mac_do_not_run_into_each_other() {
    let ring = ring();
    let (_, mac) = ring.mac(KeyUse::Cursor, NOW_MS).unwrap();
    assert_ne!(mac.whole(&[b"ab", b"c"]), mac.whole(&[b"a", b"bc"]));
    assert_ne!(mac.whole(&[b"a", b""]), mac.whole(&[b"a"]));
    assert_eq!(mac.tag(&[b"a"]), mac.whole(&[b"a"])[..TAG_BYTES]);
}

#[test]
fn nothing_secret_is_shown() {
    let row = row_of(KeyUse::Nonce);
    let shown = format!("{row:?} {:?}", ring());
    assert!(!shown.contains("sealed") && !shown.contains(&format!("{:?}", row.sealed)));
}

#[test]
fn uses_read_back_from_their_names() {
    for key_use in KeyUse::EVERY {
        assert_eq!(key_use.to_string().parse(), Ok(key_use));
    }
    assert_eq!("receipts".parse::<KeyUse>(), Err(KeyError::UnknownUse));
}
