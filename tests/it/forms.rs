//! Stories of how bodies travel: JSON and CBOR, plain and compressed, both ways.

use std::io::{Read as _, Write as _};

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use daybook::api::body::Form;
use daybook::api::sync::SyncAnswer;
use daybook::domain::activity::Kind;
use daybook::domain::limits::BODY_INFLATED_BYTES_MAX;

use crate::support::app::activity;
use crate::support::both;
use crate::wire;

const JSON: &str = "application/json";
const CBOR: &str = "application/cbor";

/// Brotli without any compression: one stored block, then the end.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() - 1).expect("small");
    assert!(length < 1 << 16, "one block of four nibbles");
    let head = length << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], bytes, &[3]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("writes");
    encoder.finish().expect("gzip")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("zstd")
}

/// Compresses a body.
type Encode = fn(&[u8]) -> Vec<u8>;

both! {
    async fn a_phone_may_speak_cbor(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        asha.form = Form::Cbor;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 12).note("é 👪"); }).expect("recorded");
        let in_cbor = asha.sync().await.expect("synced");
        assert_eq!(in_cbor.accepted, 1);
        app.judge().await;
        asha.sync().await.expect("synced");
        assert_eq!(asha.verdicts[&id].minutes, Some(12));
        assert_eq!(activity(&mut asha, id).await["note"], "é 👪");
    }
}

both! {
    async fn json_and_cbor_say_the_same_whichever_way_round(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for _ in 0..3 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        }
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let changes = wire::unsent(&mut asha);
        let request = wire::request(vec![wire::push(asha.own, &changes)]);
        let bodies = [
            (JSON, serde_json::to_vec(&request).expect("JSON")),
            (CBOR, cbor4ii::serde::to_vec(Vec::new(), &request).expect("CBOR")),
        ];
        let mut answers = Vec::new();
        wire::send(&mut asha, &request).await;
        for (sent, body) in &bodies {
            for accepted in ["", "*/*", JSON, CBOR] {
                let headers = [(CONTENT_TYPE.as_str(), *sent), (ACCEPT.as_str(), accepted), ("authorization", &token)];
                let (status, headers, bytes) = app.raw(Method::POST, "/v1/sync", &headers, body.clone()).await;
                assert_eq!(status, StatusCode::OK);
                let wanted = if accepted.starts_with("application") { accepted } else { sent };
                assert_eq!(headers[CONTENT_TYPE], wanted);
                let answer: SyncAnswer = match wanted {
                    JSON => serde_json::from_slice(&bytes).expect("JSON"),
                    _ => cbor4ii::serde::from_slice(&bytes).expect("CBOR"),
                };
                assert_eq!(answer.daybooks[0].outcomes.len(), 3);
                answers.push(serde_json::to_value(answer).expect("JSON"));
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    }
}

both! {
    async fn a_body_may_come_compressed(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let (own, me) = (asha.own, asha.party);
        let forms: [(&str, Encode); 3] = [("zstd", zstd), ("gzip", gzip), ("br", brotli)];
        for (encoding, compress) in forms {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
            let newest = wire::unsent(&mut asha).pop().expect("a change");
            let body = serde_json::to_vec(&wire::request(vec![wire::push(own, &[newest])])).expect("JSON");
            let headers = [(CONTENT_TYPE.as_str(), JSON), (CONTENT_ENCODING.as_str(), encoding), ("authorization", &token)];
            let (status, answer) = app.request(Method::POST, "/v1/sync", &headers, compress(&body)).await;
            assert_eq!(status, StatusCode::OK, "{encoding}: {answer}");
            assert_eq!(answer["daybooks"][0]["outcomes"][0]["outcome"], "accepted", "{encoding}");

            let broken = compress(&body)[..20].to_vec();
            let (status, problem) = app.request(Method::POST, "/v1/sync", &headers, broken).await;
            assert_eq!((status.as_u16(), &problem["code"]), (400, &"encoding_unreadable".into()), "{encoding}");
        }
        let headers = [(CONTENT_TYPE.as_str(), JSON), (CONTENT_ENCODING.as_str(), "rot13"), ("authorization", &token)];
        let (status, problem) = app.request(Method::POST, "/v1/sync", &headers, "{}").await;
        assert_eq!((status.as_u16(), &problem["code"]), (415, &"media_type_unsupported".into()));
    }
}

both! {
    async fn a_small_body_that_inflates_to_a_huge_one_is_stopped(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let bomb = vec![b' '; BODY_INFLATED_BYTES_MAX + 1];
        let forms: [(&str, Encode); 2] = [("zstd", zstd), ("gzip", gzip)];
        for (encoding, compress) in forms {
            let sent = compress(&bomb);
            assert!(sent.len() < 400_000, "{} bytes", sent.len());
            let headers = [(CONTENT_TYPE.as_str(), JSON), (CONTENT_ENCODING.as_str(), encoding), ("authorization", &token)];
            let (status, problem) = app.request(Method::POST, "/v1/sync", &headers, sent).await;
            assert_eq!((status.as_u16(), &problem["code"]), (413, &"body_too_large".into()), "{encoding}");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains(&BODY_INFLATED_BYTES_MAX.to_string()), "{detail}");
        }
    }
}

both! {
    async fn an_answer_is_compressed_as_the_client_likes(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for _ in 0..20 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        }
        asha.sync().await.expect("synced");
        let token = wire::bearer(&app, &mut asha, "sync activities:read").await;
        let plain = app.raw(Method::GET, "/v1/activities", &[("authorization", &token)], "").await.2;
        for encoding in ["zstd", "gzip", "br"] {
            let headers = [(ACCEPT_ENCODING.as_str(), encoding), ("authorization", &token)];
            let (status, headers, bytes) = app.raw(Method::GET, "/v1/activities", &headers, "").await;
            assert_eq!((status, &headers[CONTENT_ENCODING]), (StatusCode::OK, &encoding.parse().expect("a value")));
            assert!(bytes.len() * 2 < plain.len(), "{} of {}", bytes.len(), plain.len());
            let mut read = Vec::new();
            match encoding {
                "zstd" => read = zstd::decode_all(bytes.as_slice()).expect("zstd"),
                "gzip" => drop(flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut read).expect("gzip")),
                _ => continue,
            }
            assert_eq!(read, plain);
        }
        let (_, headers, _) = app.raw(Method::GET, "/v1/activities", &[("authorization", &token)], "").await;
        assert!(!headers.contains_key(CONTENT_ENCODING), "nobody asked");
    }
}
