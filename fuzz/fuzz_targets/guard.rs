//! Any bytes into the one door: no panic escapes, and what passes is what Automerge decodes.

#![no_main]

#[path = "../panics.rs"]
mod panics;

use automerge::Change;
use daybook_fuzz::merge::guard::{Chunk, inspect};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(init: panics::are_ours_only(), |entry: &[u8]| {
    pass(entry);
    // As somebody who knows how checksums are made would send it.
    if entry.len() > HEADER_BYTES {
        pass(&chunk(&entry[HEADER_BYTES..]));
    }
});

/// Of a small chunk: magic, checksum, type, length in two bytes.
const HEADER_BYTES: usize = 11;

fn pass(entry: &[u8]) {
    for chunk in inspect(entry) {
        if let Chunk::Change(checked) = chunk {
            let change = Change::try_from(checked.bytes.as_slice()).expect("what passes can be read");
            assert_eq!(change.hash().0, checked.hash);
            assert_eq!((change.len(), change.max_op()), (checked.ops.len(), checked.max_op));
        }
    }
}

fn chunk(body: &[u8]) -> Vec<u8> {
    let mut rest = vec![1];
    let mut length = body.len();
    while length > 0x7f {
        rest.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    rest.push(length as u8);
    rest.extend(body);
    let checksum = Sha256::digest(&rest);
    [&[0x85, 0x6f, 0x4a, 0x83], &checksum[..4], &rest].concat()
}
