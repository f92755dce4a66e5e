//! What waits goes on waiting as it did, and nothing waits for ever.

use sea_orm::QueryOrder as _;

use super::*;
use crate::support::app::activity as seen;
use crate::support::both;
use crate::support::desk::{item, send};

async fn judgement_of(app: &TestApp, id: ActivityId) -> judgement::Model {
    let mut all = rows::<judgement::Entity>(app).await.into_iter();
    all.find(|row| row.activity_id == id.0).expect("a judgement")
}

both! {
    async fn every_lost_judgement_comes_back_as_it_was(app: TestApp) {
        let weeks = weeks(&app).await;
        let before = tables(&app).await;
        let (doubtful, silent) = (judgement_of(&app, weeks.doubtful).await, judgement_of(&app, weeks.silent).await);
        assert!(doubtful.doubts.is_some() && doubtful.waits_since_ms.is_some(), "{doubtful:?}");
        assert_eq!(doubtful.reason_code.as_deref(), Some("check_counted_once"));
        assert!(silent.due_at_ms.is_some() && silent.waits_since_ms.is_none(), "{silent:?}");
        let all = rows::<judgement::Entity>(&app).await;
        assert!(all.len() >= 6, "{all:#?}");
        for row in all.clone() {
            Hand(&app).loses::<judgement::Entity>(row.clone()).await;
            let said = first(&app, "a lost judgement").await.to_string();
            let about = format!("judgement of activity {}: expected a row, found none", row.activity_id);
            assert!(said.contains(&about), "{said}");
            mend(&app).await;
            are_as_they_were(&app, &before, &about).await;
        }
        // All at once.
        for row in all {
            Hand(&app).loses::<judgement::Entity>(row).await;
        }
        mend(&app).await;
        are_as_they_were(&app, &before, "all lost judgements").await;
    }
}

both! {
    async fn what_would_wait_for_ever_is_looked_at_again(app: TestApp) {
        let weeks = weeks(&app).await;
        app.judge().await;
        let before = tables(&app).await;
        type Bend = fn(&mut judgement::Model);
        let damages: [(ActivityId, Bend); 3] = [
            // Nobody is asked, and no silence comes.
            (weeks.silent, |row| row.due_at_ms = None),
            // On no card.
            (weeks.doubtful, |row| row.waits_since_ms = None),
            // The clerk could not even read it.
            (weeks.doubtful, |row| row.doubts = Some("{".to_owned())),
        ];
        for (id, bend) in damages {
            let mut bent = judgement_of(&app, id).await;
            bend(&mut bent);
            Hand(&app).bends::<judgement::Entity>(bent).await;
            let said = first(&app, "a record that waits for ever").await.to_string();
            assert!(said.contains(&format!("judgement of activity {id}")), "{said}");
            mend(&app).await;
            assert!(judgement_of(&app, id).await.due_at_ms.is_some(), "{id} is due");
            app.judge().await;
            are_as_they_were(&app, &before, &format!("the clerk looked at {id}")).await;
        }
    }
}

both! {
    async fn a_version_that_was_never_taken_up_is_judged_in_the_end(app: TestApp) {
        let weeks = weeks(&app).await;
        let mut waits = rows::<activity_version::Entity>(&app).await.into_iter();
        let mut row = waits.find(|row| row.activity_id == weeks.untouched.0).expect("a version");
        assert_eq!(row.journal_no.take(), None);
        Hand(&app).bends::<activity_version::Entity>(activity_version::Model { journal_no: Some(1), ..row }).await;
        assert_eq!(app.judge().await, 0, "nobody knows that it waits");
        let difference = first(&app, "a number of nothing").await;
        let words = format!("version 1 of activity {}: expected no number, found number 1", weeks.untouched);
        assert_eq!(difference.to_string(), format!("journal number 1, {words}"));
        mend(&app).await;
        assert_eq!(app.judge().await, 1);
        assert!(rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared").is_same());
    }
}

both! {
    async fn a_lost_decision_is_written_again_and_never_decided_twice(app: TestApp) {
        let mut weeks = weeks(&app).await;
        let now = seen(&mut weeks.desk, weeks.doubtful).await;
        let reject = item(&mut weeks.desk, &now, "reject", &json!({ "reason": "It is in the other." }));
        assert_eq!(became(&send(&mut weeks.desk, std::slice::from_ref(&reject)).await[0]), (201, ""));
        assert_eq!(became(&send(&mut weeks.desk, std::slice::from_ref(&reject)).await[0]), (200, ""));
        let db = app.app.db().read();
        let latest = decision::Entity::find().order_by_desc(decision::Column::JournalNo).one(db).await;
        let row = latest.expect("read").expect("a decision");
        Hand(&app).loses::<decision::Entity>(row.clone()).await;
        let said = first(&app, "a lost decision").await.to_string();
        assert!(said.contains(&format!("journal number {}, decision of activity", row.journal_no)), "{said}");
        mend(&app).await;
        let again = decision::Entity::find_by_id((row.neighbourhood_id, row.id)).one(db).await.expect("read");
        assert_eq!(again, Some(decision::Model { request_hash: None, ..row }));
        let before = tables(&app).await;
        let outcome = send(&mut weeks.desk, std::slice::from_ref(&reject)).await.remove(0);
        assert_eq!(became(&outcome), (409, "id_reused"));
        are_as_they_were(&app, &before, "the same id sent again").await;
    }
}
