//! The changes that the guides show, byte by byte: made by Automerge here, and taken apart by a reader of our own.

use std::fmt::Write as _;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ObjType, ROOT, ReadDoc as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{blocks, text};
use crate::wire::forged;

const PARTY: &str = "party/01a1fd8c-6900-7a51-8d2f-0c9e1b77a501";
const FIRST: &str = "01a1fd8c-6900-7e20-b8c4-51f09d3a2001";
const ACTOR: [u8; 16] = *b"\x5e\x0c\x7a\x11\x9d\x42\x4b\x06\x8f\x3e\x21\xb0\xc4\xd9\x77\x10";
const AT_S: i64 = 1_795_255_200;

/// A document under an actor and a clock that are the same each time.
struct Writer(AutoCommit, i64);

impl Writer {
    fn new(last: u8) -> Self {
        let mut actor = ACTOR;
        actor[15] = last;
        Self(AutoCommit::new().with_actor(ActorId::from(actor)), AT_S)
    }

    fn commit(&mut self) -> Change {
        self.1 += 60;
        self.0.commit_with(CommitOptions::default().with_time(self.1 - 60)).expect("a change");
        self.0.get_last_local_change().expect("a change").clone()
    }

    fn hours(&mut self, id: &str, minutes: i64) -> Change {
        let map = self.0.put_object(ROOT, id, ObjType::Map).expect("a map");
        self.0.put(&map, "kind", "hours").expect("put");
        self.0.put(&map, "day", "2026-11-21").expect("put");
        self.0.put(&map, PARTY, minutes).expect("put");
        self.commit()
    }

    fn minutes(&mut self, id: &str, minutes: i64) -> Change {
        let (_, map) = self.0.get(ROOT, id).expect("read").expect("the activity");
        self.0.put(&map, PARTY, minutes).expect("put");
        self.commit()
    }
}

/// The changes of the guides in base64url, with what each of them is.
fn changes() -> Vec<(&'static str, Change)> {
    let mut phone = Writer::new(0x10);
    let first = phone.hours(FIRST, 60);
    let second = phone.minutes(FIRST, 75);
    let third = phone.minutes(FIRST, 90);
    let broken =
        forged(Writer::new(0x11).hours("01a1fd8c-6900-7e20-b8c4-51f09d3a2009", 5).raw_bytes(), |change| {
            change.seq += 7;
        });
    let broken = Change::try_from(broken.as_slice()).expect("a change");
    vec![("first", first), ("second", second), ("third", third), ("with a gap", broken)]
}

#[test]
fn the_changes_that_guides_send_are_what_automerge_writes() {
    let known: Vec<(&str, String)> = changes()
        .into_iter()
        .map(|(name, change)| (name, URL_SAFE_NO_PAD.encode(change.raw_bytes())))
        .collect();
    let mut sent = std::collections::BTreeSet::new();
    for name in ["offline-sync", "document"] {
        for block in blocks(&text(name)).iter().filter(|block| block.text.starts_with("POST /v1/sync")) {
            let (_, body) = block.text.split_once("\n\n").expect("a body");
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            let daybooks = body["daybooks"].as_array().expect("daybooks").iter();
            for change in daybooks.flat_map(|one| one["changes"].as_array().into_iter().flatten()) {
                let change = change.as_str().expect("base64url");
                let found = known.iter().find(|(_, known)| known == change);
                let line = block.line;
                let (which, _) = found.unwrap_or_else(|| panic!("{name}.md:{line} sends none of {known:#?}"));
                sent.insert(*which);
            }
        }
    }
    assert_eq!(sent.len(), known.len(), "not all are sent: {sent:?}");
}

#[test]
fn the_bytes_of_the_document_guide_are_those_of_the_change() {
    let change = changes().remove(0).1;
    let wanted = Dump::of(change.raw_bytes()).text;
    let guide = text("document");
    let shown = blocks(&guide).into_iter().find(|block| block.language == "bytes").expect("a block of bytes");
    assert!(shown.text == wanted, "docs/guides/document.md:{}: the change is\n{wanted}", shown.line);
    let bytes: Vec<u8> = shown
        .text
        .lines()
        .flat_map(|line| hex::decode(line[..LEFT.min(line.len())].replace(' ', "")).expect("hex"))
        .collect();
    assert_eq!(bytes, change.raw_bytes(), "all bytes are shown, each once");
    let ChangeHash(hash) = change.hash();
    for (what, said) in [("the hash", hex::encode(hash)), ("the checksum", hex::encode(&hash[..4]))] {
        assert!(guide.contains(&said), "the guide does not say {what}, {said}");
    }
}

/// Width of the bytes in a line of a dump, and how many stand there.
const LEFT: usize = 25;
const PER_LINE: usize = 8;

/// What each column of a change's operations holds.
const COLUMNS: [(u64, &str); 10] = [
    (0x01, "object: actor"),
    (0x02, "object: counter"),
    (0x15, "key, as text"),
    (0x34, "insert"),
    (0x42, "action"),
    (0x56, "value: type and length"),
    (0x57, "value: bytes"),
    (0x70, "predecessors: how many"),
    (0x71, "predecessors: actor"),
    (0x73, "predecessors: counter"),
];

struct Dump<'a> {
    rest: &'a [u8],
    text: String,
}

impl<'a> Dump<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut dump = Self { rest: bytes, text: String::new() };
        dump.take(4, |_| "magic".to_owned());
        dump.take(4, |_| "checksum: the first 4 bytes of the hash".to_owned());
        dump.take(1, |kind| format!("type {}: a change", kind[0]));
        let length = dump.number(|n| format!("length: {n} bytes follow"));
        assert_eq!(usize::try_from(length).expect("small"), dump.rest.len());
        let dependencies = dump.number(|n| format!("dependencies: {n}"));
        for _ in 0..dependencies {
            dump.take(32, |_| "a dependency's hash".to_owned());
        }
        let actor = dump.number(|n| format!("actor: {n} bytes"));
        dump.take(usize::try_from(actor).expect("small"), |_| "the actor".to_owned());
        dump.number(|n| format!("seq: {n}"));
        dump.number(|n| format!("startOp: {n}"));
        dump.signed(|n| format!("time: {n} s since 1970"));
        dump.number(|n| format!("message: {n} bytes"));
        let others = dump.number(|n| format!("other actors: {n}"));
        assert_eq!(others, 0, "the example names no other actor");
        let columns = dump.number(|n| format!("columns: {n}"));
        let mut sizes = Vec::new();
        for _ in 0..columns {
            let mut label = "";
            dump.number(|column| {
                label = COLUMNS.iter().find(|(known, _)| *known == column).expect("a known column").1;
                format!("column 0x{column:02x}")
            });
            let size = dump.number(|n| format!("  of {n} bytes: {label}"));
            sizes.push((label, usize::try_from(size).expect("small")));
        }
        for (label, size) in sizes {
            dump.take(size, |_| label.to_owned());
        }
        assert!(dump.rest.is_empty(), "the example has no bytes of a later version");
        dump
    }

    fn take(&mut self, count: usize, label: impl FnOnce(&[u8]) -> String) {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        let label = label(taken);
        for (at, line) in taken.chunks(PER_LINE).enumerate() {
            let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let label = if at == 0 { label.as_str() } else { "" };
            let written = format!("{:LEFT$}{label}", bytes.join(" "));
            _ = writeln!(self.text, "{}", written.trim_end());
        }
    }

    /// LEB128.
    fn number(&mut self, label: impl FnOnce(u64) -> String) -> u64 {
        let count = 1 + self.rest.iter().take_while(|byte| **byte >= 0x80).count();
        let parts = self.rest[..count].iter().rev();
        let value = parts.fold(0, |value: u64, byte| value << 7 | u64::from(byte & 0x7f));
        self.take(count, |_| label(value));
        value
    }

    /// LEB128 with a sign; the example's times are after 1970.
    fn signed(&mut self, label: impl FnOnce(u64) -> String) {
        let last = 1 + self.rest.iter().take_while(|byte| **byte >= 0x80).count();
        assert_eq!(self.rest[last - 1] & 0x40, 0, "not negative");
        self.number(label);
    }
}
