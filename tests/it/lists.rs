//! Stories of lists of activities, narrowed and paged.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::PAGE_ROWS_LOOKED_AT;
use daybook::domain::time::rfc3339;
use serde_json::{Value, json};

use crate::support::desk::{decide, group, join, post, refused, rules};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";

async fn listed(phone: &mut TestPhone, query: &str) -> Vec<String> {
    let page: Value = phone.get(&format!("/v1/activities?{query}")).await.expect("a page");
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// From the first page to the last.
async fn all_pages(phone: &mut TestPhone, query: &str) -> Vec<String> {
    let (mut path, mut seen) = (format!("/v1/activities?{query}"), Vec::new());
    loop {
        let page: Value = phone.get(&path).await.expect("a page");
        let items = page["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { return seen };
        path = format!("/v1/activities?{query}&after={next}");
    }
}

fn ids(ids: &[ActivityId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

both! {
    async fn a_box_holds_what_was_within_it_on_a_grid_that_is_the_same_for_all(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut at = |lat: f64, lon: f64| asha.record(Kind::LitterPick, DAY, |a| _ = a.place(lat, lon, 5.0)).expect("recorded");
        let (canal, park, fiji) = (at(52.4564, -1.8904), at(52.4702, -1.8801), at(-17.8, 179.999));
        let nowhere = asha.record(Kind::Hours, DAY, |_| ()).expect("recorded");
        post(&app, &mut asha).await;
        let cases = [
            ("-1.9,52.45,-1.88,52.46", vec![canal]),
            ("-1.9,52.45,-1.87,52.48", vec![park, canal]),
            // The bounds are within, on the grid: 52.4564 counts as 52.456.
            ("-1.8904,52.4561,-1.8901,52.4563", vec![canal]),
            ("-1.8903,52.457,-1.8,52.46", vec![]),
            // Over the date line.
            ("179,-20,-179,-10", vec![fiji]),
            ("-180,-90,180,90", vec![fiji, park, canal]),
        ];
        for (query, expected) in cases {
            let mut found = listed(&mut asha, &format!("within={query}")).await;
            let mut expected = ids(&expected);
            found.sort();
        expected.sort();
            assert_eq!(found, expected, "{query}");
        }
        assert_eq!(listed(&mut asha, "kind=hours").await, ids(&[nowhere]));
        for wrong in ["1,2,3", "1,2,3,x", "181,0,0,1", "0,91,1,92", "0,2,1,1", "", "NaN,0,1,1", "1e-3,0,1,1", "0,0,1,1,1"] {
            let answer = refused(asha.get::<Value>(&format!("/v1/activities?within={wrong}")).await);
            assert_eq!(answer, (400, "query_invalid".to_owned()), "{wrong}");
        }
        // A place that is corrected is found where it is now.
        asha.edit(canal, |a| _ = a.place(51.5, -0.1, 5.0)).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(listed(&mut asha, "within=-1.9,52.45,-1.88,52.46").await, Vec::<String>::new());
        assert_eq!(listed(&mut asha, "within=-0.2,51.4,0,51.6").await, ids(&[canal]));
        crate::support::desk::rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_changed_since_was_written_or_judged_since(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let old = asha.record(Kind::Hours, DAY, |a| _ = a.minutes(me, 10)).expect("recorded");
        let edited = asha.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(me, 20)).expect("recorded");
        let decided = asha.record(Kind::Hours, "2026-11-18", |a| _ = a.minutes(me, 30)).expect("recorded");
        post(&app, &mut asha).await;
        app.pass(60_000);
        let since = rfc3339(app.app.now_ms());
        assert_eq!(listed(&mut asha, &format!("changed_since={since}")).await, Vec::<String>::new());
        asha.edit(edited, |a| _ = a.note("More")).expect("edited");
        post(&app, &mut asha).await;
        decide(&mut desk, decided, "reject", json!({ "reason": "Not ours." })).await;
        let mut found = listed(&mut asha, &format!("changed_since={since}")).await;
        let mut expected = ids(&[edited, decided]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "and not {old}");
        assert_eq!(refused(asha.get::<Value>("/v1/activities?changed_since=yesterday").await).0, 400);
    }
}

both! {
    async fn a_page_of_what_is_rare_looks_so_far_and_says_where_it_goes_on(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let rare = asha.record(Kind::Repair, DAY, |_| ()).expect("recorded");
        asha.sync().await.expect("synced");
        app.pass(1_000);
        let since = rfc3339(app.app.now_ms());
        for _ in 0..PAGE_ROWS_LOOKED_AT {
            asha.record(Kind::Hours, DAY, |_| ()).expect("recorded");
        }
        for _ in 0..8 {
            asha.sync().await.expect("synced");
        }
        // The rows that it looks at hold none; the one after them is it.
        let page: Value = asha.get("/v1/activities?kind=repair&limit=3").await.expect("a page");
        assert_eq!(page["items"], json!([]));
        let next = page["next"].as_str().expect("it goes on").to_owned();
        assert_eq!(listed(&mut asha, &format!("kind=repair&after={next}")).await, ids(&[rare]));
        // What is found before is a page like any other.
        let page: Value = asha.get("/v1/activities?kind=hours&limit=3").await.expect("a page");
        assert_eq!((page["items"].as_array().map(Vec::len), page["next"].is_string()), (Some(3), true));
        // Every filter together, to the end: nothing is lost on the way.
        let all = usize::try_from(PAGE_ROWS_LOOKED_AT).expect("few") + 1;
        assert_eq!(all_pages(&mut asha, "day_from=2026-11-01&review=received&limit=200").await.len(), all);
        // More changed than one page looks at, and then one did, long after it was received.
        assert_eq!(all_pages(&mut asha, &format!("changed_since={since}&limit=200")).await.len(), all - 1);
        app.pass(120_000);
        let since = rfc3339(app.app.now_ms());
        asha.edit(rare, |a| _ = a.note("More")).expect("edited");
        asha.sync().await.expect("synced");
        assert_eq!(listed(&mut asha, &format!("changed_since={since}")).await, ids(&[rare]));
    }
}

both! {
    async fn whoever_is_named_by_either_name_pages_through_all_that_names_them(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo, other) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Bo's old phone").await);
        let (me, names) = (asha.party, [bo.party, other.party]);
        let mut naming = Vec::new();
        for nth in 0..9 {
            let kind = if nth % 3 == 0 { Kind::Repair } else { Kind::Hours };
            let recorded = asha.record(kind, &format!("2026-11-1{nth}"), |a| {
                a.minutes(me, 10);
                // Every fourth names nobody, and one names both.
                if nth % 4 != 0 {
                    a.minutes(names[nth % 2], 5);
                }
                if nth == 7 {
                    a.minutes(names[0], 5);
                }
            });
            naming.extend(Some(recorded.expect("recorded")).filter(|_| nth % 4 != 0));
            post(&app, &mut asha).await;
            app.pass(10);
        }
        join(&mut desk, bo.party, other.party).await;
        // Newest received first: six, at two a page, with an end that says so.
        naming.reverse();
        assert_eq!(all_pages(&mut bo, "names_me=true&limit=2").await, ids(&naming));
        let repairs = [naming[1], naming[3]];
        assert_eq!(all_pages(&mut bo, "names_me=true&kind=repair&limit=1").await, ids(&repairs));
        assert_eq!(all_pages(&mut bo, &format!("names_me=true&party_id={me}&limit=4")).await, ids(&naming));
        assert_eq!(all_pages(&mut bo, &format!("names_me=true&party_id={}", names[0])).await, ids(&[]));
        // Named later than it was received, and no more named.
        let gone = naming[5];
        asha.edit(gone, |a| _ = a.minutes(names[1], 0)).expect("edited");
        let quiet = asha.record(Kind::Hours, DAY, |a| _ = a.minutes(me, 10)).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(quiet, |a| _ = a.minutes(names[0], 5)).expect("edited");
        post(&app, &mut asha).await;
        let mut now = naming.clone();
        now.retain(|id| *id != gone);
        now.insert(0, quiet);
        assert_eq!(all_pages(&mut bo, "names_me=true&limit=2").await, ids(&now));
        crate::support::desk::rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_groups_daybook_is_listed_for_its_members_and_is_empty_for_others(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (group, book) = group(&mut desk, &mut asha, &[]).await;
        let item = json!({ "id": asha.uuid(), "daybook_id": book, "kind": "hours", "day": DAY });
        let _: Value = asha.post("/v1/activities", &json!({ "items": [item] })).await.expect("outcomes");
        for query in [format!("daybook_id={book}"), format!("party_id={group}")] {
            assert_eq!(listed(&mut asha, &query).await.len(), 1, "{query}");
            assert_eq!(listed(&mut desk, &query).await.len(), 1, "{query}");
        }
        // Without either it is all that is theirs, newest received first.
        let mut expected = vec![item["id"].as_str().expect("an id").to_owned()];
        for nth in 0..5 {
            app.pass(1_000);
            let mut next = json!({ "id": asha.uuid(), "kind": if nth == 4 { "repair" } else { "hours" }, "day": DAY });
            if nth % 2 == 0 {
                next["daybook_id"] = json!(book);
            }
            let _: Value = asha.post("/v1/activities", &json!({ "items": [next] })).await.expect("outcomes");
            expected.insert(0, next["id"].as_str().expect("an id").to_owned());
        }
        assert_eq!(all_pages(&mut asha, "limit=2").await, expected);
        assert_eq!(all_pages(&mut asha, "limit=2&kind=hours").await, expected[1..]);
        assert_eq!(all_pages(&mut asha, "limit=50").await, expected);
        assert_eq!(all_pages(&mut bo, "limit=2").await, Vec::<String>::new());
        assert_eq!(listed(&mut bo, &format!("daybook_id={book}")).await.len(), 0);
        assert_eq!(refused(bo.get::<Value>(&format!("/v1/activities?party_id={group}")).await).0, 404);
        assert_eq!(listed(&mut desk, &format!("daybook_id={}", app.app.uuid())).await.len(), 0);
    }
}
