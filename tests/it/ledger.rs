//! Stories of the ledger: what is clean posts by rule, and everybody can read what was posted.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use daybook::flows::judge::journal_entry;
use daybook::ledger::chain::{self, ChainRow, Opened};
use daybook::store;
use serde_json::{Value, json};

use crate::support::desk::{decide, group, post, refused, statement, undo};
use crate::support::{TestApp, TestPhone, both};

both! {
    async fn clean_hours_reach_the_ledger_and_the_phone_is_told(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 75); }).expect("recorded");
        assert!(asha.sync().await.expect("synced").verdicts_pending);
        app.judge().await;
        asha.sync().await.expect("synced");
        let verdict = asha.verdicts.get(&id).expect("a verdict");
        assert_eq!((verdict.review, verdict.minutes), (Review::Approved, Some(75)));
        let totals: Value = asha.get("/v1/totals?by=kind,month").await.expect("totals");
        assert_eq!(totals["items"][0]["minutes"], 75);
        assert_eq!(totals["items"][0]["month"], "2026-11");
        assert_eq!(totals["items"][0]["kind"], "hours");
        let by_party: Value = asha.get("/v1/totals?by=party").await.expect("totals");
        assert_eq!(by_party["items"][0]["party_id"], me.to_string());
    }
}

/// Two residents' records over two months: Asha 60 + 30, Bo 90 and 45 for Asha.
async fn two_months(app: &TestApp) -> [TestPhone; 2] {
    let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
    let (me, you) = (asha.party, bo.party);
    asha.record(Kind::Hours, "2026-10-31", |a| {
        a.minutes(me, 60);
    })
    .expect("recorded");
    asha.record(Kind::Repair, "2026-11-01", |a| {
        a.minutes(me, 30);
    })
    .expect("recorded");
    bo.record(Kind::Repair, "2026-11-02", |a| {
        a.minutes(you, 90).minutes(me, 45);
    })
    .expect("recorded");
    post(app, &mut asha).await;
    post(app, &mut bo).await;
    [asha, bo]
}

both! {
    async fn totals_are_by_kind_month_and_party_for_whoever_may_see_them(app: TestApp) {
        let [mut asha, bo] = two_months(&app).await;
        let mut desk = app.coordinator("Dee").await;
        let sums = |totals: &Value| -> Vec<(String, i64, i64)> {
            let name = |item: &Value| {
                let parts = ["kind", "month", "party_id"].map(|key| item[key].as_str().unwrap_or_default().to_owned());
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
            };
            let number = |item: &Value, key: &str| item[key].as_i64().expect("a number");
            let items = totals["items"].as_array().expect("items").iter();
            items.map(|item| (name(item), number(item, "minutes"), number(item, "activities"))).collect()
        };
        let line = |name: &str, minutes, activities| (name.to_owned(), minutes, activities);
        let all: Value = desk.get("/v1/totals?by=kind,month").await.expect("totals");
        let expected = [line("hours 2026-10", 60, 1), line("repair 2026-11", 165, 2)];
        assert_eq!(sums(&all), expected);
        let mine: Value = asha.get("/v1/totals?by=kind").await.expect("totals");
        assert_eq!(sums(&mine), [line("hours", 60, 1), line("repair", 75, 2)]);
        let november: Value = desk.get("/v1/totals?by=party&day_from=2026-11-01").await.expect("totals");
        let mut expected = vec![line(&asha.party.to_string(), 75, 2), line(&bo.party.to_string(), 90, 1)];
        expected.sort();
        assert_eq!(sums(&november), expected);
        let wrong = asha.get::<Value>("/v1/totals?by=colour").await;
        assert_eq!(refused(wrong), (400, "query_invalid".to_owned()));
    }
}

both! {
    async fn a_resident_sees_the_own_account_and_a_coordinator_all(app: TestApp) {
        let [mut asha, bo] = two_months(&app).await;
        let mut desk = app.coordinator("Dee").await;
        let ids = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().expect("items").iter();
            items.map(|account| account["id"].as_str().expect("an id").to_owned()).collect()
        };
        let own: Value = asha.get("/v1/accounts").await.expect("accounts");
        assert_eq!(ids(&own), [asha.party.to_string()]);
        assert_eq!(own["items"][0]["contribution_minutes"], 135);
        let all: Value = desk.get("/v1/accounts").await.expect("accounts");
        let mut expected = vec![asha.party.to_string(), bo.party.to_string()];
        expected.sort();
        assert_eq!(ids(&all), expected);
        let theirs = asha.get::<Value>(&format!("/v1/accounts/{}/statement", bo.party)).await;
        assert_eq!(refused(theirs), (404, "not_found".to_owned()));
        // Somebody to whom nothing was posted has an account at zero; a stranger has none.
        let empty: Value = desk.get(&format!("/v1/accounts/{}", desk.party)).await.expect("an account");
        assert_eq!(empty["contribution_minutes"], 0);
        let nobody = desk.get::<Value>(&format!("/v1/accounts/{}", app.app.uuid())).await;
        assert_eq!(refused(nobody), (404, "not_found".to_owned()));
    }
}

both! {
    async fn a_member_lists_the_account_of_the_group_too(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (me, you) = (asha.party, bo.party);
        let (group, book) = group(&mut desk, &mut asha, &[]).await;
        let id = ActivityId(asha.uuid());
        asha.edit_in(book, id, |a| {
            a.kind(Kind::LitterPick).day("2026-11-20").totals(4, 240).minutes(me, 60).minutes(you, 60);
        }).expect("recorded");
        post(&app, &mut asha).await;
        let listed = |page: Value| -> Vec<(String, i64)> {
            let items = page["items"].as_array().expect("items").iter();
            let number = |account: &Value| account["contribution_minutes"].as_i64().expect("minutes");
            items.map(|account| (account["id"].as_str().expect("an id").to_owned(), number(account))).collect()
        };
        let mut expected = vec![(me.to_string(), 60), (group.to_string(), 120)];
        expected.sort();
        assert_eq!(listed(asha.get("/v1/accounts").await.expect("accounts")), expected);
        let first: Value = asha.get("/v1/accounts?limit=1").await.expect("a page");
        let after = first["next"].as_str().expect("a next page").to_owned();
        assert_eq!(listed(first), expected[..1]);
        assert_eq!(listed(asha.get(&format!("/v1/accounts?limit=1&after={after}")).await.expect("the next page")), expected[1..]);
        assert_eq!(listed(bo.get("/v1/accounts").await.expect("accounts")), [(you.to_string(), 60)], "no member");
    }
}

both! {
    async fn a_statement_comes_in_pages_newest_first_with_the_balance_after_each(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for minutes in 1..=5 {
            let day = format!("2026-11-0{minutes}");
            asha.record(Kind::Hours, &day, |a| { a.minutes(me, minutes); }).expect("recorded");
        }
        post(&app, &mut asha).await;
        let whole = statement(&mut asha, me).await;
        let balances: Vec<i64> = whole.iter().map(|(_, balance)| *balance).collect();
        assert_eq!(whole.len(), 5);
        assert!(whole.windows(2).all(|pair| pair[0].1 - pair[0].0 == pair[1].1), "{balances:?}");

        let mut path = format!("/v1/accounts/{me}/statement?limit=2");
        let (mut pages, mut seen) = (0, Vec::new());
        loop {
            let answer = asha.request(axum::http::Method::GET, &path, "", Vec::new()).await.expect("a page");
            let page: Value = serde_json::from_slice(answer.body()).expect("JSON");
            seen.extend(page["items"].as_array().expect("lines").iter().map(|line| line["balance_after"].as_i64()));
            pages += 1;
            let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
            let Some(next) = page["next"].as_str() else {
                assert_eq!(link, None);
                break;
            };
            let link = link.expect("a link");
            let (target, relation) = link.split_once('>').expect("a link");
            assert_eq!(relation, "; rel=\"next\"");
            assert!(target.contains(next), "{link}");
            path = target.trim_start_matches('<').to_owned();
        }
        assert_eq!((pages, seen), (3, balances.into_iter().map(Some).collect::<Vec<_>>()));
    }
}

both! {
    async fn a_cursor_that_was_made_up_or_moved_is_refused(app: TestApp) {
        let [asha, _] = two_months(&app).await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let page: Value = desk.get("/v1/accounts?limit=1").await.expect("a page");
        let cursor = page["next"].as_str().expect("a cursor").to_owned();
        let mut forged = cursor.clone().into_bytes();
        let middle = forged.len() / 2;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("text");
        for path in [
            format!("/v1/accounts?after={forged}"),
            "/v1/accounts?after=nonsense".to_owned(),
            // Good, but of another list.
            format!("/v1/parties?after={cursor}"),
            format!("/v1/accounts/{me}/statement?after={cursor}"),
        ] {
            let answer = desk.get::<Value>(&path).await;
            assert_eq!(refused(answer), (400, "cursor_invalid".to_owned()), "{path}");
        }
        let next: Value = desk.get(&format!("/v1/accounts?after={cursor}")).await.expect("the next page");
        assert_eq!(next["items"].as_array().map(Vec::len), Some(1));
    }
}

both! {
    async fn the_journal_has_no_gaps_and_each_number_is_built_on_the_one_before(app: TestApp) {
        let [mut asha, _] = two_months(&app).await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 10); }).expect("recorded");
        post(&app, &mut asha).await;
        let rejected = decide(&mut desk, id, "reject", json!({ "reason": "Not there." })).await;
        undo(&mut desk, id, &rejected).await;

        let (db, neighbourhood) = (app.app.db().read(), app.neighbourhood);
        let rows = store::ledger::journal_after(db, neighbourhood, 0, 1_000).await.expect("the journal");
        let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("32 bytes");
        let mut links: Vec<ChainRow> = rows
            .iter()
            .map(|row| {
                let entry = journal_entry(row.no, &row.kind, row.subject_id, row.activity_id, row.at_ms, &row.body);
                let opened = Some(Opened { salt: hash(&row.salt), entry });
                ChainRow { no: row.no, opened, commitment: hash(&row.commitment), link: hash(&row.chain) }
            })
            .collect();
        let tip = store::ledger::find_tip(db, neighbourhood).await.expect("an answer").expect("a tip");
        let start = (0, chain::genesis(neighbourhood));
        assert_eq!(chain::verify(start, &links), Ok((tip.journal_no, hash(&tip.chain))));
        for kind in ["version", "decision", "transfer", "device_enrolled"] {
            assert!(rows.iter().any(|row| row.kind == kind), "nothing of {kind} is numbered");
        }
        // An erased salt hides one entry and leaves every other proof intact; a changed word does not.
        links[3].opened = None;
        assert!(chain::verify(start, &links).is_ok());
        links[4].opened.as_mut().expect("opened").entry[20] ^= 1;
        assert_eq!(chain::verify(start, &links), Err(chain::Difference::Commitment { no: 5 }));
    }
}
