//! Any bytes as the body of a sync, in JSON and in CBOR: a problem, or a request that can be written again.

#![no_main]

#[path = "../panics.rs"]
mod panics;

use daybook::api::body::Form;
use daybook::api::sync::SyncRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: panics::are_ours_only(), |body: &[u8]| {
    if let Ok(request) = Form::Json.parse::<SyncRequest>(body) {
        let written = serde_json::to_vec(&request).expect("writes");
        Form::Json.parse::<SyncRequest>(&written).expect("reads what it wrote");
    }
    if let Ok(request) = Form::Cbor.parse::<SyncRequest>(body) {
        let written = cbor4ii::serde::to_vec(Vec::new(), &request).expect("writes");
        Form::Cbor.parse::<SyncRequest>(&written).expect("reads what it wrote");
    }
});
