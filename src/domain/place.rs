//! Places as those are shown them who may not see exactly where something was.

use std::collections::BTreeMap;

use serde_json::Value;

use super::key::Key;

/// Decimals of a place for whoever may not see it exactly: about 100 m.
const PLACE_DECIMALS_COARSE: i32 = 3;

/// Degrees, rounded.
#[must_use]
pub fn coarse(degrees: f64) -> f64 {
    let factor = 10_f64.powi(PLACE_DECIMALS_COARSE);
    (degrees * factor).round() / factor
}

/// Rounds the value of a field that says where.
pub fn blur_value(field: &str, value: &mut Value) {
    if matches!(Key::parse(field), Key::PlaceLat | Key::PlaceLon)
        && let Some(degrees) = value.as_f64()
    {
        *value = coarse(degrees).into();
    }
}

/// Rounds the place among these fields; how exact it was is left out.
pub fn blur(fields: &mut BTreeMap<String, Value>) {
    fields.retain(|field, _| Key::parse(field) != Key::PlaceAccuracy);
    for (field, value) in fields {
        blur_value(field, value);
    }
}
