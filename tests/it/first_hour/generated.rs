//! Clients that others' tools make of `openapi.json`.

use std::process::Command;

use serde_json::json;

use super::programs::{activities, first_hour, repository, run};
use crate::support::app::{Backend, activity};

/// Operations of which the generator for Python does not understand all, with the reason; it leaves that part out.
const NOT_UNDERSTOOD: [(&str, &str); 1] = [
    // It takes JSON, beside CBOR.
    ("POST /v1/sync", "application/cbor"),
];

/// A program of an npm package of the examples.
fn package(program: &str) -> Command {
    let program = repository("examples/node_modules").join(program);
    assert!(program.exists(), "{} is missing: run `make test`, which installs it", program.display());
    let mut command = Command::new("node");
    command.current_dir(repository("examples")).arg(program);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_types_are_those_of_the_document() {
    let mut command = package("openapi-typescript/bin/cli.js");
    command.arg("../openapi/openapi.json");
    let made = run(command).await.well();
    let committed = std::fs::read_to_string(repository("openapi/types.ts")).expect("types");
    assert!(
        made.trim_end() == committed.trim_end(),
        "openapi/types.ts is not of openapi/openapi.json. Write it anew: make openapi-types"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_in_typescript_type_check() {
    let mut command = package("typescript/bin/tsc");
    command.args(["--project", "."]);
    assert_eq!(run(command).await.well(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typed_client_writes_and_reads() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let id = app.app.uuid().to_string();
    let arguments = ["--id", id.as_str(), "--minutes", "30"];
    let printed = developer.typescript("typed.ts", &arguments).await.well();
    assert!(printed.starts_with(&format!("201 {id}\n{id}  ")), "{printed}");
    assert!(printed.ends_with("  hours  30 min\n"), "{printed}");
    let printed = developer.typescript("typed.ts", &arguments).await.well();
    assert!(printed.starts_with(&format!("200 {id}\n")), "{printed}");
    let seen = activity(&mut asha, id.parse().expect("an id")).await;
    assert_eq!(seen["parties"], json!([{ "party_id": asha.party, "minutes": 30 }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_made_for_python_writes_and_reads() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let tool = repository("target/tools/python-client");
    assert!(tool.exists(), "{} is missing: run `make test`, which installs it", tool.display());
    let mut command =
        developer.command("python3", &["-m", "openapi_python_client", "generate", "--meta", "none"]);
    command.arg("--path").arg(repository("openapi/openapi.json"));
    command.arg("--config").arg(repository("examples/generated.yml"));
    command.args(["--output-path", "daybook_client"]).env("PYTHONPATH", &tool);
    let made = run(command).await;
    let warned = format!("{}{}", made.printed, made.errors);
    made.well();
    for line in warned.lines().filter(|line| line.starts_with("WARNING parsing ")) {
        let known = NOT_UNDERSTOOD.iter().any(|(operation, _)| line.contains(&format!(" {operation} ")));
        assert!(known, "{line}\n{warned}");
    }
    for (operation, reason) in NOT_UNDERSTOOD {
        assert!(
            warned.contains(operation) && warned.contains(reason),
            "{operation} is understood now\n{warned}"
        );
    }

    let id = app.app.uuid().to_string();
    for status in [201, 200] {
        let mut command = developer.command("python3", &[]);
        command.arg(repository("examples/generated.py")).arg(&id);
        // The tool's packages, and the client that was made here.
        command
            .env("PYTHONPATH", std::env::join_paths([tool.as_path(), &developer.path("")]).expect("paths"));
        let printed = run(command).await.well();
        assert!(printed.starts_with(&format!("{status} {id}\n{id}  ")), "{printed}");
        assert!(printed.ends_with("  hours  60 min\n"), "{printed}");
    }
    assert_eq!(activities(&mut asha).await.len(), 1);
}
