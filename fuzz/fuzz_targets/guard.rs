//! Any bytes into the one door: no panic escapes, and what passes is what Automerge decodes.

#![no_main]

#[path = "../panics.rs"]
mod panics;

use automerge::Change;
use daybook_fuzz::merge::guard::{Chunk, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: panics::are_ours_only(), |entry: &[u8]| {
    for chunk in inspect(entry) {
        if let Chunk::Change(checked) = chunk {
            let change = Change::try_from(checked.bytes.as_slice()).expect("what passes can be read");
            assert_eq!(change.hash().0, checked.hash);
            assert_eq!((change.len(), change.max_op()), (checked.ops.len(), checked.max_op));
        }
    }
});
