//! Stories of the ledger's read-outs: balances and totals as they are, as they were at any number of the journal,
//! and what has changed since.

use std::collections::BTreeMap;

use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use serde_json::{Value, json};

use crate::always::dice::Dice;
use crate::support::desk::{became, decide, post, refused};
use crate::support::{TestApp, TestPhone, both};

/// One line of a statement.
#[derive(Debug)]
struct Line {
    no: i64,
    day: String,
    minutes: i64,
    kind: String,
}

/// The lines of an account, oldest first.
async fn lines(phone: &mut TestPhone, account: PartyId) -> Vec<Line> {
    let path = format!("/v1/accounts/{account}/statement?limit=200");
    let page: Value = phone.get(&path).await.expect("a statement");
    let number = |line: &Value, key: &str| line[key].as_i64().expect("a number");
    let word = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    let items = page["items"].as_array().expect("lines").iter().rev();
    let read = |line: &Value| Line {
        no: number(line, "journal_no"),
        day: word(line, "day"),
        minutes: number(line, "minutes"),
        kind: word(line, "kind"),
    };
    items.map(read).collect()
}

/// Records, edits and decisions as the dice fall; the journal's last number, and the accounts that moved.
async fn some_weeks(app: &TestApp, seed: u64) -> (TestPhone, Vec<PartyId>, i64) {
    let mut dice = Dice::new(seed);
    let mut phones = [app.phone("Asha").await, app.phone("Bo").await];
    let mut desk = app.coordinator("Dee").await;
    let parties = phones.each_ref().map(|phone| phone.party);
    let mut recorded: Vec<ActivityId> = Vec::new();
    for _ in 0..10 {
        let at = dice.below(2);
        let phone = &mut phones[at];
        let day = format!("2026-11-{:02}", 1 + dice.below(5));
        let minutes = i64::try_from(5 + dice.below(60)).expect("few");
        let kind = dice.of(&[Kind::Hours, Kind::Repair]);
        let programme = dice.of(&[None, Some("canal"), Some("park")]);
        let both = dice.percent(40);
        let id = phone.record(kind, &day, |a| {
            a.minutes(parties[at], minutes);
            if let Some(programme) = programme {
                a.put("programme", programme);
            }
            if both {
                a.minutes(parties[1 - at], minutes + 1);
            }
        });
        recorded.push(id.expect("recorded"));
        post(app, phone).await;
        let id = dice.of(&recorded);
        let (step, more) = match dice.below(3) {
            0 => ("reject", json!({ "reason": "Not there." })),
            1 => ("approve", json!({})),
            _ => continue,
        };
        // Some are refused, as a second rejection is.
        decide(&mut desk, id, step, more).await;
        app.pass(1_000);
    }
    let totals: Value = desk.get("/v1/totals").await.expect("totals");
    (desk, parties.to_vec(), totals["journal_no"].as_i64().expect("a number"))
}

both! {
    async fn a_balance_at_a_number_is_what_the_statement_says_there(app: TestApp) {
        let (mut desk, accounts, last) = some_weeks(&app, 7).await;
        for account in accounts {
            let lines = lines(&mut desk, account).await;
            assert!(lines.len() > 4 && lines.iter().any(|line| line.minutes < 0), "{lines:?}");
            for no in 0..=last {
                let day = format!("2026-11-{:02}", 1 + no % 6);
                let path = format!("/v1/accounts/{account}?journal_no={no}");
                let then: Value = desk.get(&path).await.expect("an account");
                let of_days: Value = desk.get(&format!("{path}&day={day}")).await.expect("an account");
                let until = lines.iter().filter(|line| line.no <= no);
                let all: i64 = until.clone().map(|line| line.minutes).sum();
                let some: i64 = until.filter(|line| line.day <= day).map(|line| line.minutes).sum();
                let says = [&then, &of_days].map(|account| account["contribution_minutes"].as_i64());
                assert_eq!(says, [Some(all), Some(some)], "at {no} and {day}: {lines:?}");
                assert_eq!((&then["journal_no"], &then["day"]), (&json!(no), &Value::Null));
                assert_eq!((&of_days["journal_no"], &of_days["day"]), (&json!(no), &json!(day)));
            }
            let now: Value = desk.get(&format!("/v1/accounts/{account}")).await.expect("an account");
            let end: Value = desk.get(&format!("/v1/accounts/{account}?journal_no={last}")).await.expect("an account");
            assert_eq!((&now, &now["journal_no"]), (&end, &json!(last)));
        }
    }
}

both! {
    async fn totals_at_a_number_are_the_sums_of_the_statements_there(app: TestApp) {
        let (mut desk, accounts, last) = some_weeks(&app, 11).await;
        let mut all = Vec::new();
        for account in &accounts {
            all.extend(lines(&mut desk, *account).await.into_iter().map(|line| (account.to_string(), line)));
        }
        let sums = |no: i64| {
            let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
            for (account, line) in all.iter().filter(|(_, line)| line.no <= no) {
                *sums.entry((line.kind.clone(), account.clone())).or_default() += line.minutes;
            }
            sums
        };
        let mut dice = Dice::new(11);
        for earlier in (0..=last).step_by(3) {
            let later = earlier + i64::try_from(dice.below(usize::try_from(last - earlier + 1).expect("few"))).expect("few");
            let path = format!("/v1/totals?by=kind,party&journal_no={earlier}&restated_no={later}");
            let totals: Value = desk.get(&path).await.expect("totals");
            assert_eq!((&totals["journal_no"], &totals["restated_no"]), (&json!(earlier), &json!(later)));
            let (before, after) = (sums(earlier), sums(later));
            let mut found: BTreeMap<(String, String), i64> = BTreeMap::new();
            for item in totals["items"].as_array().expect("items") {
                let key = ["kind", "party_id"].map(|key| item[key].as_str().expect("text").to_owned());
                let key: (String, String) = key.into();
                let then = before.get(&key).copied().unwrap_or_default();
                let now = after.get(&key).copied().unwrap_or_default();
                let restated = &item["restated"];
                let says = [&item["minutes"], &restated["minutes"], &restated["difference"]].map(Value::as_i64);
                assert_eq!(says, [Some(then), Some(now), Some(now - then)], "{item}");
                found.insert(key, now);
            }
            let nothing = |sums: &BTreeMap<(String, String), i64>| -> Vec<(String, String)> {
                sums.iter().filter(|(_, minutes)| **minutes != 0).map(|(key, _)| key.clone()).collect()
            };
            let named: Vec<_> = found.keys().cloned().collect();
            let mut expected = [nothing(&before), nothing(&after)].concat();
            expected.sort();
            expected.dedup();
            assert_eq!(named, expected, "what is zero at both is left out");
        }
    }
}

both! {
    async fn a_correction_stands_in_the_statement_and_in_the_restated_totals(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 90)).expect("recorded");
        post(&app, &mut asha).await;
        let frozen: Value = desk.get("/v1/totals?by=kind").await.expect("totals");
        let more = json!({ "corrections": { "minutes": { me.to_string(): 60 } }, "reason": "You left at eleven." });
        assert_eq!(became(&decide(&mut desk, id, "approve", more).await).0, 201);
        let lines = lines(&mut asha, me).await;
        let minutes: Vec<i64> = lines.iter().map(|line| line.minutes).collect();
        assert_eq!(minutes, [90, -30]);
        for phone in [&mut asha, &mut desk] {
            let path = format!("/v1/totals?by=kind&journal_no={}&restated_no=latest", frozen["journal_no"]);
            let totals: Value = phone.get(&path).await.expect("totals");
            let restated = json!({ "minutes": 60, "activities": 1, "difference": -30 });
            assert_eq!(totals["items"], json!([{ "kind": "hours", "minutes": 90, "activities": 1, "restated": restated }]));
            // What was frozen is what it was.
            let again: Value = phone.get(&format!("/v1/totals?by=kind&journal_no={}", frozen["journal_no"])).await.expect("totals");
            assert_eq!(again, frozen);
        }
    }
}

/// A business without a phone, whose minutes others record.
async fn business(desk: &mut TestPhone) -> PartyId {
    let id = PartyId(desk.uuid());
    let body = json!({ "id": id, "kind": "organisation", "sector": "business", "name": "Corner Shop" });
    let _: Value = desk.post("/v1/parties", &body).await.expect("a party");
    id
}

both! {
    async fn totals_are_by_programme_and_sector_and_narrowed_to_what_is_asked(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, you, shop) = (asha.party, bo.party, business(&mut desk).await);
        asha.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(me, 60).minutes(shop, 20).put("programme", "canal")).expect("recorded");
        asha.record(Kind::Repair, "2026-11-20", |a| _ = a.minutes(me, 30)).expect("recorded");
        asha.record(Kind::LitterPick, "2026-11-20", |a| _ = a.minutes(me, 10).totals(3, 50).put("programme", "park")).expect("recorded");
        bo.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(you, 7).put("programme", "canal")).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        let sums = async |phone: &mut TestPhone, query: &str| -> Vec<String> {
            let totals: Value = phone.get(&format!("/v1/totals?{query}")).await.expect("totals");
            let items = totals["items"].as_array().expect("items").iter();
            let shown = items.map(|item| {
                let words = ["kind", "programme", "sector"].map(|key| item[key].as_str().unwrap_or_default());
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                format!("{} {}/{}", words.join(" "), item["minutes"], item["activities"]).trim().to_owned()
            });
            shown.collect()
        };
        // The holding account has no sector.
        assert_eq!(sums(&mut desk, "by=sector").await, ["40/1", "business 20/1", "resident 107/4"]);
        assert_eq!(sums(&mut desk, "by=programme").await, ["30/1", "canal 87/2", "park 50/1"]);
        let both = ["resident 30/1", "canal business 20/1", "canal resident 67/2", "park 40/1", "park resident 10/1"];
        assert_eq!(sums(&mut desk, "by=sector,programme").await, both);
        assert_eq!(sums(&mut desk, "programme=canal").await, ["87/2"]);
        assert_eq!(sums(&mut desk, "kind=hours&by=kind").await, ["hours 87/2"]);
        assert_eq!(sums(&mut desk, &format!("party_id={shop}")).await, ["20/1"]);
        assert_eq!(sums(&mut desk, "day_from=2026-11-20&programme=canal").await, ["7/1"]);
        // A resident sees the own minutes, however they ask.
        assert_eq!(sums(&mut asha, "by=programme,sector").await, ["resident 30/1", "canal resident 60/1", "park resident 10/1"]);
        assert_eq!(sums(&mut asha, &format!("party_id={me}")).await, ["100/3"]);
        let theirs = asha.get::<Value>(&format!("/v1/totals?party_id={you}")).await;
        assert_eq!(refused(theirs), (404, "not_found".to_owned()));
    }
}

both! {
    async fn a_number_that_the_journal_has_not_reached_is_refused(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        asha.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 60)).expect("recorded");
        post(&app, &mut asha).await;
        let totals: Value = asha.get("/v1/totals").await.expect("totals");
        let last = totals["journal_no"].as_i64().expect("a number");
        let beyond = (last + 1).to_string();
        for path in [format!("/v1/accounts/{me}?"), "/v1/totals?".to_owned(), "/v1/totals?restated_no=latest&".to_owned()] {
            for no in [beyond.as_str(), "99999999999999999999", "-1", "+1", "1.5", "latest", ""] {
                let answer = asha.get::<Value>(&format!("{path}journal_no={no}")).await;
                assert_eq!(refused(answer), (422, "field_invalid".to_owned()), "{path}{no}");
            }
            assert!(asha.get::<Value>(&format!("{path}journal_no={last}")).await.is_ok());
            assert!(asha.get::<Value>(&format!("{path}journal_no=0")).await.is_ok());
        }
        for (path, status) in [
            (format!("/v1/totals?restated_no={beyond}"), 422),
            // Before the number that it restates.
            (format!("/v1/totals?journal_no={last}&restated_no={}", last - 1), 422),
            (format!("/v1/accounts/{me}?day=yesterday"), 400),
            (format!("/v1/accounts/{me}?day=2026-11-31"), 400),
            ("/v1/totals?kind=colour".to_owned(), 400),
            ("/v1/totals?programme=%00".to_owned(), 400),
        ] {
            assert_eq!(refused(asha.get::<Value>(&path).await).0, status, "{path}");
        }
    }
}
