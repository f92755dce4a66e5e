//! Odd and honest changes of stock JavaScript: nothing of a meaning is refused at the door.

use automerge::AutoCommit;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::api::sync::{DaybookState, OutcomeKind};
use daybook::domain::ids::DaybookId;
use daybook::merge::document;
use daybook::store;
use serde_json::{Value, json};

use crate::support::both;
use crate::support::listening::node;
use crate::wire;

both! {
    async fn nothing_is_refused_for_what_it_means(app: TestApp) {
        let printed = node("odd.mjs", &[]).await;
        let mut asha = app.phone("Asha").await;
        let mut kinds = 0;
        for line in printed.lines() {
            let told: Value = serde_json::from_str(line).expect("JSON");
            let name = told["name"].as_str().expect("a name");
            let changes = told["changes"].as_array().expect("changes").iter();
            let changes: Vec<Vec<u8>> =
                changes.map(|text| URL_SAFE_NO_PAD.decode(text.as_str().expect("text")).expect("base64url")).collect();
            let id = DaybookId(asha.uuid());
            let _: Value = asha.post("/v1/daybooks", &json!({ "id": id })).await.expect("a daybook");
            let answer = wire::send_changes(&mut asha, id, &changes).await;
            assert_eq!(answer.state, DaybookState::Ok, "{name}");
            for (at, outcome) in answer.outcomes.iter().enumerate() {
                assert_eq!((outcome.outcome, &outcome.code), (OutcomeKind::Accepted, &None), "{name}: change {at}");
            }
            // What a phone loads from here is what the phones had.
            let rows = store::changes::after(
                app.app.db().read(),
                store::changes::Of { neighbourhood: app.neighbourhood, daybook: id },
                0,
                10_000,
            )
            .await
            .expect("changes");
            let bytes: Vec<u8> = rows.into_iter().flat_map(|row| row.bytes).collect();
            let mut doc = AutoCommit::load(&bytes).expect(name);
            let hashes: Vec<String> = doc.get_changes(&[]).iter().map(|change| change.hash().to_string()).collect();
            for head in told["heads"].as_array().expect("heads") {
                assert!(hashes.iter().any(|hash| *head == json!(hash)), "{name}: {head} is not there");
            }
            document::read_all(doc.document()).expect(name);
            kinds += 1;
        }
        assert!(kinds > 30, "{kinds} kinds");
    }
}
