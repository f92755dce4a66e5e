//! Stories of how two parties are entered and joined: what is refused, several at once, several in turn, people who
//! were met.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::PartyId;
use daybook::domain::review::Review;
use daybook::flows::rebuild::{Mode, rebuild};
use daybook::store::entity::{party_alias, transfer};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{DAY, hours, not_joined, totals, totals_no};
use crate::support::both;
use crate::support::desk::{
    ENTERED_TWICE, balance, became, confirm, decide, entered, join, post, refused, sound, told,
};

both! {
    async fn what_makes_no_one_person_is_refused_with_the_id_to_use(app: TestApp) {
        let (mut asha, again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let bo = app.phone("Bo").await;
        let group = entered(&mut desk, "group", "Friends").await;
        let other_group = entered(&mut desk, "group", "Walkers").await;
        assert_eq!(join(&mut desk, asha.party, again.party).await.0, 201);
        let tip = totals_no(&mut desk).await;
        let (me, alias, nobody) = (asha.party, again.party, PartyId(app.app.uuid()));
        let problems = [
            (me, me, 409, "same_party"),
            (bo.party, alias, 409, "alias_elsewhere"),
            (alias, bo.party, 409, "is_alias"),
            (me, group, 409, "not_residents"),
            (group, me, 409, "not_residents"),
            (group, other_group, 409, "not_residents"),
            (me, nobody, 404, "not_found"),
            (nobody, me, 404, "not_found"),
        ];
        for (party, alias, status, code) in problems {
            assert_eq!(not_joined(&mut desk, party, alias).await, (status, code.to_owned()), "{party} {alias}");
        }
        // The detail names whom to use.
        let token = app.personal_token(&mut desk, "manage").await;
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        for (party, alias) in [(bo.party, alias), (alias, bo.party)] {
            let path = format!("/v1/parties/{party}/aliases/{alias}");
            let (_, problem) = app.request(Method::PUT, &path, &headers, json!({ "reason": ENTERED_TWICE }).to_string()).await;
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&me.to_string())), "{problem}");
        }
        for reason in [json!({}), json!({ "reason": " " }), json!({ "reason": "x".repeat(1_001) }), json!({ "reason": "a\u{0}" })] {
            let path = format!("/v1/parties/{me}/aliases/{}", bo.party);
            let (status, _) = app.request(Method::PUT, &path, &headers, reason.to_string()).await;
            assert_eq!(status.as_u16(), 422, "{reason}");
        }
        assert_eq!(not_joined(&mut asha, me, bo.party).await.0, 403);
        assert_eq!(totals_no(&mut desk).await, tip, "what is refused is not numbered");
        sound(&app).await;
    }
}

both! {
    async fn of_two_who_join_two_parties_both_ways_at_once_one_is_told_so(app: TestApp) {
        let replica = app.another_replica().await;
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let (mut dee, mut eve) = (app.coordinator("Dee").await, replica.new_phone("Eve"));
        eve.enrol(&app.invitation(true).await).await.expect("enrolled");
        let (a, b) = (asha.party, again.party);
        hours(&mut asha, DAY, 60);
        hours(&mut again, "2026-11-19", 30);
        post(&app, &mut asha).await;
        post(&app, &mut again).await;
        let reason = || json!({ "reason": ENTERED_TWICE }).to_string().into_bytes();
        let (there, back) = (format!("/v1/parties/{a}/aliases/{b}"), format!("/v1/parties/{b}/aliases/{a}"));
        let (here, there) = tokio::join!(
            dee.request(Method::PUT, &there, "application/json", reason()),
            eve.request(Method::PUT, &back, "application/json", reason()),
        );
        let won = [here.is_ok(), there.is_ok()];
        assert!(won[0] != won[1], "{here:?} {there:?}");
        let lost = if won[0] { refused(there) } else { refused(here) };
        assert_eq!(lost, (409, "is_alias".to_owned()));
        assert_eq!((balance(&mut dee, a).await, balance(&mut dee, b).await), (90, 90));
        // The same, by both at once, is made once.
        let bo = app.phone("Bo").await;
        let stays = if won[0] { a } else { b };
        let path = format!("/v1/parties/{stays}/aliases/{}", bo.party);
        let (here, there) = tokio::join!(
            dee.request(Method::PUT, &path, "application/json", reason()),
            eve.request(Method::PUT, &path, "application/json", reason()),
        );
        let mut found = [here, there].map(|answer| answer.expect("an answer").status().as_u16());
        found.sort_unstable();
        assert_eq!(found, [200, 201]);
        sound(&app).await;
    }
}

both! {
    async fn somebody_entered_three_times_is_one_in_two_steps_and_each_number_keeps_its_figures(app: TestApp) {
        let mut phones = [app.phone("Asha").await, app.phone("Asha K.").await, app.phone("A. Khan").await];
        let mut desk = app.coordinator("Dee").await;
        for (phone, minutes) in phones.iter_mut().zip([10, 20, 40]) {
            hours(phone, DAY, minutes);
            post(&app, phone).await;
        }
        let [a, b, c] = phones.each_ref().map(|phone| phone.party);
        let first = join(&mut desk, b, a).await.1["journal_no"].as_i64().expect("a number");
        let after_first = totals_no(&mut desk).await;
        let by_then = totals(&mut desk, "by=party").await;
        let second = join(&mut desk, c, b).await.1["journal_no"].as_i64().expect("a number");
        for id in [a, b, c] {
            assert_eq!(balance(&mut desk, id).await, 70, "{id}");
        }
        assert_eq!(totals(&mut desk, "by=party").await, json!([{ "party_id": c, "minutes": 70, "activities": 3 }]));
        assert_eq!(totals(&mut desk, &format!("by=party&journal_no={after_first}")).await, by_then, "as it was");
        for (id, no, party, minutes) in [(a, first - 1, a, 10), (a, second - 1, b, 30), (b, second - 1, b, 30), (a, second + 2, c, 70)] {
            let account: Value = desk.get(&format!("/v1/accounts/{id}?journal_no={no}")).await.expect("then");
            assert_eq!((&account["id"], &account["contribution_minutes"]), (&json!(party), &json!(minutes)), "{id} at {no}");
            let narrowed = totals(&mut desk, &format!("party_id={id}&journal_no={no}")).await;
            assert_eq!(narrowed[0]["minutes"], minutes, "{id} at {no}");
        }
        // All three phones record as one, and it is so already.
        for (phone, day) in phones.iter_mut().zip(["2026-11-17", "2026-11-18", "2026-11-19"]) {
            hours(phone, day, 10);
            post(&app, phone).await;
        }
        assert_eq!(balance(&mut desk, c).await, 100);
        assert_eq!(join(&mut desk, c, a).await.0, 200);
        assert_eq!(not_joined(&mut desk, b, a).await, (409, "is_alias".to_owned()));
        sound(&app).await;
    }
}

both! {
    async fn who_was_met_and_enrols_a_phone_later_takes_along_what_was_posted(app: TestApp) {
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let hub = entered(&mut desk, "resident", "Asha K.").await;
        // Bo's phone meets Asha's, which has no signal yet: its id is all that is known.
        let mut asha = app.new_phone("Asha");
        let met = bo.meet("Asha");
        asha.party = met;
        let id = bo.record(Kind::Hours, DAY, |a| _ = a.minutes(met, 25)).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
        assert_eq!(balance(&mut desk, met).await, 25);
        let body = json!({ "id": desk.uuid(), "party_id": hub });
        let invitation: Value = desk.post("/v1/invitations", &body).await.expect("an invitation");
        asha.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        assert_eq!((balance(&mut desk, hub).await, balance(&mut asha, met).await), (25, 25));
        decide(&mut desk, id, "reject", json!({ "reason": "Not there." })).await;
        assert_eq!(balance(&mut asha, hub).await, 0);
        sound(&app).await;
    }
}

both! {
    async fn who_was_met_by_name_and_confirmed_is_joined_with_who_enrolled(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let met = bo.meet("Asha from the canal");
        let id = bo.record(Kind::Hours, DAY, |a| _ = a.minutes(met, 25)).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, id), (Review::Received, None, "unknown_party"));
        assert_eq!(join(&mut desk, asha.party, met).await.1["contribution_minutes"], 0);
        app.judge().await;
        bo.sync().await.expect("synced");
        assert_eq!(told(&bo, id), (Review::Approved, Some(25), ""));
        assert_eq!(balance(&mut asha, met).await, 25);
        // The one that stays is known once either was.
        let (known, unknown) = (app.phone("Cy").await, bo.meet("Cyril"));
        bo.record(Kind::Hours, "2026-11-18", |a| _ = a.minutes(unknown, 5)).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(join(&mut desk, unknown, known.party).await.0, 201);
        app.judge().await;
        assert_eq!(balance(&mut desk, known.party).await, 5);
        confirm(&mut desk, unknown).await;
        sound(&app).await;
    }
}

both! {
    async fn what_differs_from_the_journal_is_named(app: TestApp) {
        let (asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        hours(&mut again, DAY, 30);
        post(&app, &mut again).await;
        let no = join(&mut desk, asha.party, again.party).await.1["journal_no"].as_i64().expect("a number");
        sound(&app).await;
        let db = app.app.db().writer();
        let first = async |what: &str| {
            let found = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared");
            let first = found.first().unwrap_or_else(|| panic!("{what} is not seen")).clone();
            (first.journal_no, first.to_string())
        };
        // The alias leads elsewhere.
        let set = |no: i64| party_alias::Entity::update_many()
            .col_expr(party_alias::Column::JournalNo, Expr::value(no))
            .filter(party_alias::Column::AliasId.eq(again.party.0))
            .exec(db);
        set(no + 1).await.expect("damaged");
        let (at, words) = first("the alias").await;
        assert!(at == Some(no) && words.contains(&format!("journal_no {no}")), "{words}");
        set(no).await.expect("mended");
        // A leg says another reason.
        transfer::Entity::update_many()
            .col_expr(transfer::Column::Reason, Expr::value("Because."))
            .filter(transfer::Column::JournalNo.eq(no + 2))
            .exec(db)
            .await
            .expect("damaged");
        let (at, words) = first("the leg").await;
        assert!(at == Some(no + 2) && words.contains("party_alias") && words.contains("reason"), "{words}");
        rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("made again");
        sound(&app).await;
    }
}

both! {
    async fn whose_second_id_became_theirs_has_fewer_minutes_only_where_the_record_gives_fewer(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut ben) = (app.phone("Asha").await, app.phone("Ben").await);
        let second = entered(&mut desk, "resident", "Asha K.").await;
        let (a, b) = (asha.party, ben.party);
        let id = asha.record(Kind::Hours, DAY, |r| _ = r.minutes(a, 90).minutes(second, 90)).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, id), balance(&mut desk, second).await), ((Review::Approved, Some(180), ""), 90));
        assert_eq!(join(&mut desk, b, second).await.0, 201);
        for (day, minutes, why) in [("2026-11-19", 90, ""), ("2026-11-18", 60, "fewer_minutes")] {
            asha.edit(id, |r| _ = r.day(day).minutes(second, minutes)).expect("edited");
            post(&app, &mut asha).await;
            assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
            for (phone, counted) in [(&mut asha, 90 + minutes), (&mut ben, minutes)] {
                post(&app, phone).await;
                assert_eq!(told(phone, id), (Review::Approved, Some(counted), why), "{day}");
            }
            assert_eq!(balance(&mut desk, b).await, minutes);
            sound(&app).await;
        }
    }
}

both! {
    async fn who_names_themselves_by_their_other_id_is_not_named_by_somebody_else(app: TestApp) {
        let (mut asha, again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let other = again.party;
        let own = asha.record(Kind::Hours, DAY, |a| _ = a.minutes(other, 30)).expect("recorded");
        let bos = bo.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(other, 30)).expect("recorded");
        for phone in [&mut asha, &mut bo] {
            post(&app, phone).await;
        }
        assert_eq!(join(&mut desk, asha.party, other).await.0, 201);
        app.judge().await;
        for (query, expected) in [("names_me=true", vec![bos]), ("limit=10", vec![own])] {
            let listed: Value = asha.get(&format!("/v1/activities?{query}")).await.expect("a page");
            let ids = listed["items"].as_array().expect("items").iter().map(|item| item["id"].clone());
            assert_eq!(ids.collect::<Vec<_>>(), expected.iter().map(|id| json!(id)).collect::<Vec<_>>(), "{query}");
        }
        sound(&app).await;
    }
}
