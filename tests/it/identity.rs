//! Stories of enrolment: invitations, keys, proofs, further devices, and devices that are lost.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use daybook::app::{Random as _, SystemRandom};
use daybook::auth::phone_key::PhoneKey;
use daybook::domain::activity::Kind;
use daybook::domain::ids::DeviceId;
use daybook::domain::review::Review;
use daybook::flows::invite::INVITATION_LIFE_MS;
use serde_json::{Value, json};

use crate::support::app::PUBLIC_URL;
use crate::support::desk::told;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a call was refused with, as `status code`.
fn refused<T: std::fmt::Debug>(result: Result<T, daybook::phone::PhoneError>) -> String {
    match result.expect_err("refused") {
        daybook::phone::PhoneError::Refused { status, code, .. } => format!("{status} {code}"),
        other => panic!("{other}"),
    }
}

/// A new key and device id, as after a fresh installation; daybooks stay.
fn new_key(phone: &mut TestPhone) {
    let random = SystemRandom;
    phone.session.key = PhoneKey::generate(&mut |bytes| random.fill(bytes)).expect("a key");
    phone.session.access_token = None;
    phone.session.refresh_token = None;
    phone.device = DeviceId(phone.uuid());
}

async fn invited(phone: &mut TestPhone, party: Option<Value>) -> Value {
    let id = phone.uuid();
    let mut body = json!({ "id": id });
    if let Some(party) = party {
        body["party_id"] = party;
    }
    phone.post("/v1/invitations", &body).await.expect("an invitation")
}

fn token(invitation: &Value) -> &str {
    invitation["token"].as_str().expect("a token")
}

both! {
    async fn an_invitation_enrols_one_key_and_no_other(app: TestApp) {
        let invitation = app.invitation(false).await;
        let mut asha = app.new_phone("Asha");
        asha.enrol(&invitation).await.expect("enrolled");
        assert_eq!(refused(app.new_phone("Eve").enrol(&invitation).await), "409 invitation_used");
        assert_eq!(refused(asha.enrol(&app.invitation(false).await).await), "409 key_reused");
    }
}

both! {
    async fn an_invitation_that_is_revoked_expired_or_mistyped_is_none(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let revoked = invited(&mut carol, None).await;
        wire::call(&mut carol, Method::DELETE, &format!("/v1/invitations/{}", revoked["id"].as_str().expect("an id")), &Value::Null).await;
        assert_eq!(refused(app.new_phone("Eve").enrol(token(&revoked)).await), "404 invitation_invalid");

        let good = app.invitation(false).await;
        let flipped = if good.ends_with('A') { 'B' } else { 'A' };
        let mistyped = format!("{}{flipped}", &good[..good.len() - 1]);
        for wrong in [mistyped.as_str(), &good[1..], "", "dbi_", "hello"] {
            assert_eq!(refused(app.new_phone("Eve").enrol(wrong).await), "404 invitation_invalid", "{wrong}");
        }
        let late = app.invitation(false).await;
        app.pass(INVITATION_LIFE_MS - 1);
        app.new_phone("Asha").enrol(&good).await.expect("good to the last moment");
        app.pass(1);
        assert_eq!(refused(app.new_phone("Eve").enrol(&late).await), "404 invitation_invalid");
    }
}

both! {
    async fn a_lost_answer_to_an_enrolment_locks_nobody_out_for_a_day(app: TestApp) {
        let invitation = app.invitation(false).await;
        let mut asha = app.new_phone("Asha");
        let first = asha.enrol(&invitation).await.expect("enrolled");
        app.pass(DAY_MS - 1);
        let again = asha.enrol(&invitation).await.expect("enrolled before");
        let ids = |answer: &daybook::api::enrolments::EnrolmentAnswer| {
            (answer.party_id, answer.device_id, answer.grant_id, answer.refresh_token.clone())
        };
        assert_eq!(ids(&again), ids(&first));
        asha.get::<Value>("/v1/me").await.expect("the new token works");
        app.pass(1);
        assert_eq!(refused(asha.enrol(&invitation).await), "409 key_reused");
    }
}

both! {
    async fn an_enrolment_takes_nobody_elses_ids(app: TestApp) {
        let asha = app.phone("Asha").await;
        let wrongs: [fn(&mut TestPhone, &TestPhone); 3] =
            [|eve, asha| eve.party = asha.party, |eve, asha| eve.device = asha.device, |eve, asha| eve.own = asha.own];
        for wrong in wrongs {
            let mut eve = app.new_phone("Eve");
            wrong(&mut eve, &asha);
            let invitation = app.invitation(false).await;
            assert_eq!(refused(eve.enrol(&invitation).await), "409 id_reused");
            app.new_phone("Bilal").enrol(&invitation).await.expect("the invitation was not used up");
        }
    }
}

/// A request with a proof that says what it is told to say.
struct Asked<'a> {
    key: &'a PhoneKey,
    nonce: Option<&'a str>,
    method: &'a str,
    url: String,
    proven_token: Option<&'a str>,
    scheme: &'a str,
    token: &'a str,
}

async fn ask(app: &TestApp, asked: &Asked<'_>) -> (StatusCode, axum::http::HeaderMap, String) {
    let proof = asked
        .key
        .proof(asked.method, &asked.url, asked.nonce, asked.proven_token, 1, "once")
        .expect("a proof");
    let authorization = format!("{} {}", asked.scheme, asked.token);
    let headers = [(AUTHORIZATION.as_str(), authorization.as_str()), ("dpop", &proof)];
    let (status, headers, bytes) = app.raw(Method::GET, "/v1/me", &headers, "").await;
    let body: Value = serde_json::from_slice(&bytes).expect("JSON");
    (status, headers, body["code"].as_str().unwrap_or_default().to_owned())
}

fn nonce(headers: &axum::http::HeaderMap) -> String {
    headers["dpop-nonce"].to_str().expect("a nonce").to_owned()
}

both! {
    async fn a_proof_holds_for_one_address_one_key_one_token_and_a_fresh_nonce(app: TestApp) {
        let asha = app.phone("Asha").await;
        let eve = app.phone("Eve").await;
        let (hers, other) = (asha.session.access_token.clone().expect("a token"), eve.session.access_token.clone().expect("a token"));
        let honest = || Asked {
            key: &asha.session.key, nonce: None, method: "GET", url: format!("{PUBLIC_URL}/v1/me"), proven_token: Some(&hers), scheme: "DPoP", token: &hers,
        };
        let (status, headers, code) = ask(&app, &honest()).await;
        assert_eq!((status.as_u16(), code.as_str()), (401, "use_dpop_nonce"));
        assert!(headers[WWW_AUTHENTICATE].to_str().is_ok_and(|text| text.contains("DPoP error=\"use_dpop_nonce\"")));
        let fresh = nonce(&headers);
        let with_nonce = || Asked { nonce: Some(&fresh), ..honest() };
        let (status, headers, _) = ask(&app, &with_nonce()).await;
        assert_eq!(status, StatusCode::OK);
        nonce(&headers);

        let wrong = [
            (Asked { method: "POST", ..with_nonce() }, "dpop_invalid"),
            (Asked { url: format!("{PUBLIC_URL}/v1/sync"), ..with_nonce() }, "dpop_invalid"),
            (Asked { url: "http://elsewhere.test/v1/me".to_owned(), ..with_nonce() }, "dpop_invalid"),
            (Asked { proven_token: None, ..with_nonce() }, "dpop_invalid"),
            (Asked { proven_token: Some(&other), ..with_nonce() }, "dpop_invalid"),
            (Asked { key: &eve.session.key, ..with_nonce() }, "token_invalid"),
            (Asked { scheme: "Bearer", ..with_nonce() }, "token_invalid"),
            (Asked { nonce: Some("made-up"), ..honest() }, "use_dpop_nonce"),
        ];
        for (asked, code) in wrong {
            let (status, headers, found) = ask(&app, &asked).await;
            assert_eq!((status.as_u16(), found.as_str()), (401, code), "{}", asked.url);
            assert!(headers.contains_key(WWW_AUTHENTICATE));
        }
        let (status, problem) = app.request(Method::GET, "/v1/me", &[("authorization", &format!("DPoP {hers}"))], "").await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("dpop_invalid")), "no proof at all");

        app.pass(25 * 60 * 1_000);
        let (_, _, code) = ask(&app, &with_nonce()).await;
        assert_eq!(code, "token_expired", "ten minutes are over");
    }
}

both! {
    async fn a_nonce_lasts_twenty_minutes_and_the_phones_own_clock_counts_for_nothing(app: TestApp) {
        for (wrong_by, minutes) in [(-400 * DAY_MS, 9), (400 * DAY_MS, 8)] {
            let mut asha = app.new_phone("Asha");
            asha.now_ms += wrong_by;
            asha.enrol(&app.invitation(false).await).await.expect("enrolled");
            let me = asha.party;
            let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, minutes); }).expect("recorded");
            asha.sync().await.expect("synced");
            app.judge().await;
            app.pass(21 * 60 * 1_000);
            asha.sync().await.expect("with a new nonce and a new token");
            // A record from the future is looked at by a person; that is all that a wrong clock does.
            let future = wrong_by > 0;
            assert_eq!(told(&asha, id), if future { (Review::Received, None, "check_times") } else { (Review::Approved, Some(9), "") });
        }
    }
}

both! {
    async fn a_revoked_device_is_told_at_once_keeps_its_data_and_enrols_again_with_a_new_key(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut lost = app.second_device(&mut asha, "Asha's tablet").await;
        lost.sync().await.expect("synced");
        let party = asha.party;
        lost.go_offline();
        let id = lost.record(Kind::Hours, "2026-11-20", |a| { a.minutes(party, 25); }).expect("recorded");
        let listed: Value = asha.get("/v1/devices").await.expect("devices");
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
        let path = format!("/v1/devices/{}", lost.device);
        wire::call(&mut asha, Method::DELETE, &path, &Value::Null).await;
        wire::call(&mut asha, Method::DELETE, &path, &Value::Null).await;

        lost.go_online();
        assert_eq!(refused(lost.sync().await), "401 device_revoked");
        assert_eq!(refused(lost.session.refresh(lost.now_ms).await), "400 invalid_grant");
        asha.sync().await.expect("the other device goes on");
        assert!(lost.own_book().field(id, "day").is_some(), "nothing is lost on the phone");

        new_key(&mut lost);
        let again = invited(&mut asha, Some(json!(party))).await;
        let answer = lost.enrol(token(&again)).await.expect("enrolled");
        assert_eq!(answer.party_id, party);
        lost.record(Kind::Hours, "2026-11-21", |a| { a.minutes(party, 5); }).expect("recorded");
        assert_eq!(lost.sync().await.expect("synced").accepted, 2);
        app.judge().await;
        let account: Value = asha.get(&format!("/v1/accounts/{party}")).await.expect("an account");
        assert_eq!(account["contribution_minutes"], 30);
    }
}

both! {
    async fn what_a_second_device_records_under_its_own_id_is_credited_to_the_resident(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut second = app.new_phone("Asha's tablet");
        second.go_offline();
        let itself = second.party;
        let id = second.record(Kind::Hours, "2026-11-20", |a| { a.minutes(itself, 45); }).expect("recorded before it enrolled");
        second.go_online();
        let hers = json!(asha.party);
        let invitation = invited(&mut asha, Some(hers)).await;
        second.enrol(token(&invitation)).await.expect("enrolled");
        second.sync().await.expect("synced");
        app.judge().await;
        let me: Value = second.get("/v1/me").await.expect("me");
        assert_eq!((&me["party_id"], &me["name"], &me["roles"]), (&json!(asha.party), &json!("Asha"), &json!([])));
        assert_eq!(me["device_id"], json!(second.device));
        assert_eq!(me["daybooks"].as_array().map(Vec::len), Some(2), "both phones' daybooks are hers");
        let seen: Value = asha.get(&format!("/v1/activities/{id}")).await.expect("the activity");
        assert_eq!((&seen["review"], &seen["posted"]), (&json!("approved"), &json!(45)));
        let path = format!("/v1/accounts/{}", asha.party);
        let account: Value = asha.get(&path).await.expect("an account");
        assert_eq!(account["contribution_minutes"], 45);
    }
}

both! {
    async fn nobody_takes_over_whom_others_have_met_by_their_own_invitation(app: TestApp) {
        let (mut asha, mut eve) = (app.phone("Asha").await, app.phone("Eve").await);
        let mut desk = app.coordinator("Dee").await;
        let cara = asha.meet("Cara");
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(cara, 45); }).expect("recorded");
        asha.sync().await.expect("synced");
        let mut tablet = app.new_phone("Eve's tablet");
        tablet.party = cara;
        let hers = json!(eve.party);
        let invitation = invited(&mut eve, Some(hers.clone())).await;
        assert_eq!(refused(tablet.enrol(token(&invitation)).await), "409 party_met");
        let met: Value = desk.get(&format!("/v1/parties/{cara}")).await.expect("a party");
        assert_eq!((&met["id"], &met["known"]), (&json!(cara), &json!(false)), "as before");
        // The invitation is still good for a phone that nobody has met, and a coordinator's for this one.
        let mut other = app.new_phone("Eve's other tablet");
        other.enrol(token(&invitation)).await.expect("enrolled");
        let invitation = invited(&mut desk, Some(hers)).await;
        tablet.enrol(token(&invitation)).await.expect("enrolled");
        assert_eq!(tablet.party, cara, "an alias now");
        let me: Value = tablet.get("/v1/me").await.expect("me");
        assert_eq!(me["party_id"], json!(eve.party));
    }
}

both! {
    async fn who_one_is_and_where_is_told(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let me: Value = carol.get("/v1/me").await.expect("me");
        assert_eq!((&me["roles"], &me["neighbourhood"]["name"]), (&json!(["coordinator"]), &json!("Balsall Heath")));
        assert!(me["scope"].as_str().is_some_and(|scope| scope.contains("reconcile") && scope.contains("manage")));
        assert_eq!(me["daybooks"][0]["id"], json!(carol.own));
        let mut asha = app.phone("Asha").await;
        let me: Value = asha.get("/v1/me").await.expect("me");
        assert!(me["scope"].as_str().is_some_and(|scope| scope.contains("sync") && !scope.contains("reconcile")));
    }
}
