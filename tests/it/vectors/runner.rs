//! `openapi/vectors/run.mjs` passes all vectors with stock Automerge, in a folder of its own; and finds what is wrong.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::folder;
use crate::support::listening::PHONE_JS;

const FILES: [&str; 6] =
    ["package.json", "run.mjs", "readings.json", "outcomes.json", "cursors.json", "reload.json"];

/// A file, and what is made wrong in it.
type Plant = (&'static str, fn(&mut Value));

/// A copy of the folder, as a stranger takes it, with the packages that its `package.json` names.
fn copied() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in FILES {
        std::fs::copy(folder().join(file), copy.path().join(file)).expect("copied");
    }
    let packages = Path::new(PHONE_JS).join("node_modules");
    assert!(packages.exists(), "{} is missing: run `make test`, which installs it", packages.display());
    std::os::unix::fs::symlink(packages, copy.path().join("node_modules")).expect("linked");
    copy
}

fn run(copy: &Path) -> (bool, String) {
    let mut command = Command::new("node");
    let ran = command.current_dir(copy).arg("run.mjs").output().expect("`make test` needs Node 20 or later");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (ran.status.success(), format!("{}{}", text(&ran.stdout), text(&ran.stderr)))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON")
}

#[test]
fn stock_javascript_passes_all_vectors() {
    let package = |folder: &Path| read(&folder.join("package.json"))["dependencies"].clone();
    assert_eq!(package(&folder()), package(Path::new(PHONE_JS)), "the tests' own Automerge");
    let copy = copied();
    let (good, said) = run(copy.path());
    assert!(good, "{said}");
    let cases = |file: &str| read(&copy.path().join(file))["cases"].as_array().map_or(0, Vec::len);
    for (file, least) in [("readings", 39), ("outcomes", 24), ("reload", 6)] {
        let count = cases(&format!("{file}.json"));
        assert!(count >= least && said.contains(&format!("{file}: {count} of {count}\n")), "{said}");
    }
}

#[test]
fn a_vector_that_says_something_else_is_found() {
    let plant: [Plant; 6] = [
        ("readings", |all| {
            all["cases"][0]["activities"][super::writer::RECORD]["fields"]["people"] = 8.into()
        }),
        ("readings", |all| all["cases"][0]["activities"][super::writer::RECORD]["hash"] = "00".into()),
        ("outcomes", |all| all["cases"][0]["steps"][1]["outcomes"][0]["outcome"] = "accepted".into()),
        ("outcomes", |all| all["cases"][0]["steps"][0]["heads"] = Value::Array(Vec::new())),
        ("cursors", |all| all["pages"][0]["cursor"] = "AAAAAAAAAAAAAAAAAAA".into()),
        ("reload", |all| all["cases"][0]["activities"][super::writer::OTHER] = Value::Null),
    ];
    for (file, change) in plant {
        let copy = copied();
        let path = copy.path().join(format!("{file}.json"));
        let mut vectors = read(&path);
        change(&mut vectors);
        std::fs::write(&path, vectors.to_string()).expect("written");
        let (good, said) = run(copy.path());
        assert!(!good && said.contains(&format!("FAILED  {file}")), "{file}: {said}");
    }
}
