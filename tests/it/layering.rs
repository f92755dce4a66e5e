//! Which module may import which, and other rules of structure that hold for all source code. They stand in
//! the tables below; the tests after them hold them, and plant violations to see that they would.

mod scan;

use std::path::{Path, PathBuf};

use scan::Source;

/// Every module under `src/`, and what it may import from the others: a module, or one path of it.
/// `merge` and `store` meet only in `flows`; what changes the world goes through `flows`.
const MODULES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("merge", &["domain"]),
    ("ledger", &["domain"]),
    ("auth", &["domain"]),
    ("store", &["domain"]),
    // Counts and times; of `merge` it knows the codes.
    ("metrics", &["domain", "merge::RefusalCode", "merge::admit::HeldReason"]),
    // Of `merge` the cache of documents.
    ("app", &["auth", "config", "domain", "merge::loaded", "metrics", "store"]),
    ("flows", &["app", "auth", "domain", "ledger", "merge", "metrics", "store"]),
    ("api", API),
    // A client program: it knows the API from outside.
    ("phone", &["api", "auth", "domain"]),
    ("commands", ALL),
    ("lib", ALL),
    ("main", ALL),
];
const ALL: &[&str] = &["*"];
/// Of `store` only reads (see WORDS), of `ledger` and `merge` only the types that answers are made of.
const API: &[&str] = &[
    "app",
    "auth",
    "domain",
    "flows",
    "ledger::Asset",
    "ledger::Capacity",
    "ledger::Corrections",
    "ledger::Doubt",
    "ledger::Reclassification",
    "ledger::Judgement",
    "ledger::effective",
    "ledger::written",
    "merge::ActivityState",
    "metrics",
    "store",
];

/// Libraries, and the only modules whose shipped code may name them.
const LIBRARIES: &[(&str, &[&str], &str)] = &[
    ("automerge", &["merge", "phone"], "Automerge is behind `merge`"),
    ("axum", &["api", "commands", "phone"], "only the edge and its client know HTTP and its status codes"),
    ("sea_orm", &["api", "commands", "flows", "store"], "the database is behind `store`"),
    ("pulldown_cmark", &["api"], "only pages are written in Markdown"),
    ("prometheus_client", &["metrics"], "what is counted has one home"),
    ("tokio", &["api", "app", "commands", "flows", "phone", "store"], "words and rules do no I/O"),
    ("reqwest", &["api", "commands", "config", "flows", "phone"], "words and rules do no I/O"),
    ("std::env", &["commands", "config", "main"], "configuration is read once"),
    ("std::fs", &["commands", "config", "metrics", "phone", "store"], "words and rules do no I/O"),
    ("std::net", &["api", "commands", "config", "main"], "words and rules do no I/O"),
    ("std::process", &["commands", "main"], "only a command ends the process"),
    ("std::time::SystemTime", &[], "time is passed in, from `app::Clock`"),
];

/// Words that shipped code of these modules (`*`: all, with migrations) may not hold. Written in two halves
/// where a search for them should not end here.
const WORDS: &[(&str, &[&str], &str)] = &[
    (concat!("to", "do!("), ALL, "unfinished"),
    (concat!("unimpl", "emented!("), ALL, "unfinished"),
    ("dbg!(", ALL, "left over from debugging"),
    (".unwrap()", ALL, "answer an error, or say in `expect` why there can be none"),
    (".begin(", &["api"], "a write goes through `flows`"),
    (".writer(", &["api"], "a write goes through `flows`"),
];
/// The same, but in comments as well.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Longest source file, tests included: two screens of a large monitor, four of a laptop.
const FILE_LINES_MAX: usize = 450;
/// Folders of source code.
const FOLDERS: &[&str] = &["src", "migration/src", "tests/it", "benches"];

#[test]
fn modules_import_only_what_the_table_allows() {
    hold(import_violations);
}

#[test]
fn libraries_stay_behind_their_module() {
    hold(library_violations);
}

#[test]
fn no_banned_words() {
    hold(word_violations);
}

#[test]
fn no_file_is_too_long() {
    hold(length_violations);
}

#[test]
fn the_table_names_no_module_that_is_gone() {
    let sources = sources();
    for (module, _) in MODULES {
        let there = sources.iter().any(|source| source.module() == Some(module));
        assert!(there, "src/ has no {module} any more: take it out of MODULES");
    }
}

/// Fails with all violations in all sources at once.
fn hold(rule: fn(&Source) -> Vec<String>) {
    let violations: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn import_violations(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: module {module} is not in MODULES of tests/it/layering.rs", source.path)];
    };
    let refused = |path: &str| {
        let first = path.split("::").next().unwrap_or_default();
        first != module && *allowed != ALL && !allowed.iter().any(|allowed| is_within(path, allowed))
    };
    let named = source.own_paths().into_iter().filter(|named| refused(&named.path));
    named
        .map(|named| format!("{}:{}: {module} may not import crate::{}", source.path, named.line, named.path))
        .collect()
}

fn library_violations(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let roots: Vec<&str> = LIBRARIES.iter().filter_map(|(path, ..)| path.split("::").next()).collect();
    let mut violations = Vec::new();
    for named in Source::paths_from(&source.shipped(), &roots) {
        for (library, modules, reason) in LIBRARIES {
            if is_within(&named.path, library) && !modules.contains(&module) {
                let at = format!("{}:{}", source.path, named.line);
                violations.push(format!("{at}: {module} may not use {}: {reason}", named.path));
            }
        }
    }
    violations
}

fn word_violations(source: &Source) -> Vec<String> {
    if source.path.starts_with("tests/") {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (index, line) in source.shipped().lines().enumerate() {
        for (word, modules, reason) in WORDS {
            let here = *modules == ALL || source.module().is_some_and(|module| modules.contains(&module));
            if here && line.contains(word) {
                violations.push(format!("{}:{}: {word}: {reason}", source.path, index + 1));
            }
        }
    }
    for (index, line) in source.raw.lines().enumerate() {
        for marker in MARKERS.iter().filter(|marker| line.contains(**marker)) {
            violations.push(format!("{}:{}: {marker}: open an issue instead", source.path, index + 1));
        }
    }
    violations
}

fn length_violations(source: &Source) -> Vec<String> {
    let lines = source.raw.lines().count();
    let violation = format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path);
    (lines > FILE_LINES_MAX).then_some(violation).into_iter().collect()
}

/// Whether a path is the allowed one or inside of it.
fn is_within(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()) {
        rust_files(&folder, &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "no source code under {}", root.display());
    let read = |file: PathBuf| {
        let path =
            file.strip_prefix(root).expect("inside the repository").to_string_lossy().replace('\\', "/");
        Source::new(&path, &std::fs::read_to_string(&file).expect("source code is UTF-8"))
    };
    files.into_iter().map(read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}

mod planted {
    //! Each rule, against code made to break it.

    use super::scan::Source;
    use super::{
        FILE_LINES_MAX, MARKERS, import_violations, length_violations, library_violations, word_violations,
    };

    fn imports(path: &str, code: &str) -> Vec<String> {
        import_violations(&Source::new(path, code))
    }

    #[test]
    fn a_forbidden_import_is_found_however_it_is_spelt() {
        for code in [
            "use crate::flows::accept;",
            "use crate::{domain::ids, flows::{accept, judge}};",
            "use crate::{\n    domain::ids::{self, PartyId as Id},\n    flows,\n};",
            "fn f() { crate::flows::accept::run() }",
            "fn f(x: &crate::flows::Error) {}",
            "pub use super::super::flows::accept;",
            "mod tests { use super::super::super::flows::accept; }",
            "macro_rules! m { () => { $crate::flows::run() } }",
            "use crate::*;",
            "fn f<'a>(x: &'a str) -> char { let c = '\"'; crate::flows::run(x); '\"' }",
        ] {
            assert_eq!(
                imports("src/store/keys.rs", code).len(),
                usize::from(code.contains("judge")) + 1,
                "{code}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_an_import_is_let_be() {
        for code in [
            "use crate::domain::{ids::PartyId, limits::*};",
            "use crate::store::entity;\nuse super::super::store::batch;\nuse super::flows;",
            "/// As [`crate::flows`] says.\n// crate::flows\n/* /* crate::flows */ crate::flows */",
            "const A: &str = \"crate::flows\"; const B: &str = r#\"\"crate::flows\"#; const C: &[u8] = b\"crate::flows\";",
            "pub(crate) fn flows() {}",
            "mod inner { mod deeper { use super::super::super::super::store::batch; } }",
        ] {
            assert_eq!(imports("src/store/keys.rs", code), Vec::<String>::new(), "{code}");
        }
    }

    #[test]
    fn one_allowed_path_does_not_open_the_whole_module() {
        assert!(imports("src/api/error.rs", "use crate::merge::ActivityState;").is_empty());
        assert_eq!(imports("src/api/error.rs", "use crate::merge::{ActivityState, guard};").len(), 1);
    }

    #[test]
    fn a_violation_says_where_it_is() {
        let said = imports("src/merge/mod.rs", "//! Merges.\n\nuse crate::store::keys;\n");
        assert_eq!(said, ["src/merge/mod.rs:3: merge may not import crate::store::keys"]);
    }

    #[test]
    fn a_new_module_must_be_put_in_the_table() {
        assert_eq!(imports("src/helpers/mod.rs", "").len(), 1);
    }

    #[test]
    fn libraries_are_found_in_shipped_code_only() {
        let found = |path, code| library_violations(&Source::new(path, code)).len();
        assert_eq!(found("src/domain/time.rs", "use std::{fmt, time::{Duration, SystemTime}};"), 1);
        assert_eq!(found("src/merge/guard.rs", "fn f() { let x = ::sea_orm::Value::from(1); }"), 1);
        assert_eq!(found("src/store/keys.rs", "use sea_orm::entity::*;\nuse axum::Json;"), 1);
        assert_eq!(
            found("src/merge/guard.rs", "use automerge::Change;\nfn f() { crate::domain::tokio::x() }"),
            0
        );
        assert_eq!(found("src/domain/key.rs", "#[cfg(test)]\nmod tests {\n  use std::fs::read;\n}"), 0);
        assert_eq!(found("src/domain/key.rs", "#[cfg(test)]\nmod tests;\nuse std::fs::read;"), 1);
        assert_eq!(found("src/merge/tests/mutants.rs", "use std::env::var;"), 0);
    }

    #[test]
    fn banned_words_are_found_outside_of_tests_and_strings() {
        let found = |path, code: &str| word_violations(&Source::new(path, code)).len();
        assert_eq!(found("src/app.rs", "fn f() { x.unwrap(); }\nfn g() { dbg!(1); }"), 2);
        assert_eq!(found("migration/src/lib.rs", "fn f() { x.unwrap(); }"), 1);
        assert_eq!(found("src/app.rs", "const A: &str = \".unwrap()\"; // .unwrap()"), 0);
        assert_eq!(found("src/app.rs", "#[cfg(test)]\nmod tests { fn f() -> [u8; 2] { x.unwrap() } }"), 0);
        assert_eq!(
            found("src/app.rs", "#[cfg(test)]\nfn f() -> [u8; 2] { x.unwrap() }\nfn g() { y.unwrap() }"),
            1
        );
        assert_eq!(found("src/app.rs", &format!("// {}: later", MARKERS[0])), 1);
        assert_eq!(found("src/api/me.rs", "db.begin().await"), 1);
        assert_eq!(found("src/flows/enrol.rs", "db.begin().await"), 0);
    }

    #[test]
    fn one_line_too_many_is_too_many() {
        let lines = |count| length_violations(&Source::new("src/app.rs", &"\n".repeat(count))).len();
        assert_eq!((lines(FILE_LINES_MAX), lines(FILE_LINES_MAX + 1)), (0, 1));
    }
}
