//! Any bytes as the stored state of an activity: an error, or something that can be read and written again.

#![no_main]

#[path = "../panics.rs"]
mod panics;

use daybook_fuzz::merge::ActivityState;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: panics::are_ours_only(), |bytes: &[u8]| {
    if let Ok(state) = ActivityState::decode(bytes) {
        let reading = state.reading();
        let again = ActivityState::decode(&state.encode()).expect("what was written can be read");
        // As text: a value that is no number is not equal to itself.
        assert_eq!(format!("{:?}", again.reading()), format!("{reading:?}"));
    }
});
