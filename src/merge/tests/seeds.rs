//! The corpus that the targets of `fuzz/` start from, made of honest changes.

use std::collections::BTreeMap;
use std::path::Path;

use automerge::Change;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::phones::Phones;
use crate::merge::cursor::{CHAIN_START, Cursor, chain_next};
use crate::merge::guard::{Chunk, inspect};
use crate::merge::reduce;

/// Honest histories that the corpus is made of.
const HISTORIES: u64 = 24;

fn write(target: &str, name: String, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}

#[test]
#[ignore = "writes the files that `make fuzz` starts from"]
fn the_corpus_is_written_anew() -> std::io::Result<()> {
    for seed in 0..HISTORIES {
        let mut phones = Phones::new(seed);
        phones.live(20);
        let changes = phones.deliver();
        let entry: Vec<u8> = changes.iter().flat_map(|change| change.raw_bytes().to_vec()).collect();
        write("guard", format!("history-{seed}"), &entry)?;
        let mut chain = CHAIN_START;
        for (at, change) in (1..).zip(&changes) {
            write("guard", format!("{seed}-{at}"), change.raw_bytes())?;
            write("guard", format!("{seed}-{at}-deflated"), change.clone().bytes())?;
            chain = chain_next(&chain, &change.hash().0);
            write("cursor", format!("{seed}-{at}"), Cursor::at(at, &chain).encode())?;
            states(seed, at, change)?;
        }
        write("accept", format!("{seed}"), [&[0, seed as u8], &entry[..entry.len().min(64)]].concat())?;
        requests(seed, &changes)?;
    }
    Ok(())
}

/// The states of a change alone, as far as it needs no other.
fn states(seed: u64, at: u64, change: &Change) -> std::io::Result<()> {
    for chunk in inspect(change.raw_bytes()) {
        let Chunk::Change(checked) = chunk else { continue };
        let mut states = BTreeMap::new();
        reduce(&mut states, &checked, &|_| None);
        for (activity, state) in states {
            write("state_decode", format!("{seed}-{at}-{activity}"), state.encode())?;
        }
    }
    Ok(())
}

/// A sync with some of the changes; in CBOR too, where bytes are text as well here.
fn requests(seed: u64, changes: &[Change]) -> std::io::Result<()> {
    let changes: Vec<String> =
        changes.iter().take(3).map(|change| URL_SAFE_NO_PAD.encode(change.raw_bytes())).collect();
    let request = json!({
        "device_time": "2026-11-21T10:00:00.000Z",
        "limit_bytes": seed + 1,
        "parties": [{ "id": "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b11", "name": "Asha" }],
        "daybooks": [{
            "id": "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77",
            "cursor": Cursor::at(seed, &CHAIN_START).encode(),
            "changes": changes,
        }],
    });
    write("sync_body", format!("{seed}.json"), serde_json::to_vec(&request).unwrap_or_default())?;
    write(
        "sync_body",
        format!("{seed}.cbor"),
        cbor4ii::serde::to_vec(Vec::new(), &request).unwrap_or_default(),
    )
}
