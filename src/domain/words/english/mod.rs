//! English.

mod desk;
mod residents;

pub(super) use desk::suspicion;
pub(super) use residents::{held, question, told, why};

/// `8 hours 5 minutes`.
fn duration(minutes: i64) -> String {
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let parts = (count(hours, "hour", "hours"), count(minutes, "minute", "minutes"));
    match (hours, minutes) {
        (0, _) => parts.1,
        (_, 0) => parts.0,
        _ => format!("{} {}", parts.0, parts.1),
    }
}

fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
