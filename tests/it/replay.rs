//! `daybook replay`: a file in the Open Repair Data Standard, played as phones, and read back.

use std::process::Command;

use daybook::app::{Clock as _, SystemClock};
use daybook::store::entity::{activity, daybook_change};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use crate::support::listening::Listening;
use crate::support::{TestApp, both};

const COLUMNS: &str = "id,data_provider,country,partner_product_category,product_category,product_category_id,brand,\
year_of_manufacture,product_age,repair_status,repair_barrier_if_end_of_life,group_identifier,event_date,problem";

/// Made-up rows: some fill every column, some leave out what may be left out.
fn rows(count: usize) -> String {
    let mut file = format!("{COLUMNS}\n");
    for at in 0..count {
        let (group, day) = (at % 4, 1 + at % 27);
        let ended = at % 3 == 0;
        let (status, barrier) =
            if ended { ("End of life", "Spare parts not available") } else { ("Fixed", "") };
        let (year, age) = if at % 2 == 0 { ("2011", "12.5") } else { ("", "") };
        let problem = if at % 5 == 0 { "" } else { "\"Said \"\"no\"\", then smoked; é\"" };
        file.push_str(&format!(
            "demo_{at},Made-up Repairs,GBR,Kitchen ~ Kettle {at},Kettle,14,Brand {at},{year},{age},{status},{barrier},\
             Café {group},2026-03-{day:02},{problem}\n"
        ));
    }
    file
}

async fn play(url: &str, invitation: &str, file: &std::path::Path, seed: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.arg("replay").arg(file).args([
        "--url",
        url,
        "--invitation",
        invitation,
        "--seed",
        seed,
        "--records",
        "5",
    ]);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("a thread")
        .expect("the binary runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

both! {
    async fn every_row_arrives_once_and_again_changes_nothing(app: TestApp) {
        let Listening { app, url } = TestApp::start_listening(app.backend).await;
        // The program goes by the machine's clock, so the server does too.
        app.pass(SystemClock.now_ms() - app.clock.now_ms());
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("repairs.csv");
        std::fs::write(&file, rows(60)).expect("written");

        let (good, said) = play(&url, &app.invitation(true).await, &file, "1").await;
        assert!(good, "{said}");
        assert!(said.contains("60 rows of 4 groups"), "{said}");
        assert!(said.contains("60 changes accepted"), "{said}");
        assert!(said.contains("60 rows compared in all 14 columns") && said.contains(", 0 differing"), "{said}");
        let db = app.app.db().read();
        let count = activity::Entity::find().count(db).await.expect("a count");
        let changes = daybook_change::Entity::find().count(db).await.expect("a count");
        assert_eq!(count, 60);

        let (good, said) = play(&url, &app.invitation(true).await, &file, "2").await;
        assert!(good && said.contains("0 changes accepted"), "{said}");
        assert_eq!(activity::Entity::find().count(db).await.expect("a count"), 60);
        // The second desk's own daybook begins with its genesis change.
        assert_eq!(daybook_change::Entity::find().count(db).await.expect("a count"), changes + 1);
    }
}
