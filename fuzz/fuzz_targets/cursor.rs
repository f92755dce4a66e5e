//! Any text as a phone's cursor: what is one comes back as it was.

#![no_main]

#[path = "../panics.rs"]
mod panics;

use daybook_fuzz::merge::cursor::Cursor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: panics::are_ours_only(), |text: &str| {
    if let Some(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
    }
});
