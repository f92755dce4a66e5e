//! A record from its reading.

use chrono_tz::Tz;
use uuid::Uuid;

use super::samples::{DAY, MINUTE, TEN, day, id, party, photo};
use crate::domain::ids::{DaybookId, PartyId};
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::suspicion::{Origin, Record, Source, Times};

fn reading(fields: &[(&str, Value)]) -> Reading {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Field::One(value.clone()))).collect();
    Reading { fields, ..Reading::default() }
}

fn words(word: &str) -> Value {
    Value::Text(word.to_owned())
}

fn origin() -> Origin {
    let times = Times { recorded_ms: TEN, received_ms: TEN + DAY, skew_ms: None };
    let daybook = DaybookId(Uuid::from_u128(1));
    Origin { id: id(1), daybook, owner: party(1), times, zone: Tz::Europe__London }
}

/// Party 9 is party 1, enrolled twice.
fn resolve(id: PartyId) -> PartyId {
    if id == party(9) { party(1) } else { id }
}

#[test]
fn everything_that_a_rule_compares_is_read() {
    let own = format!("party/{}", party(1));
    let by_alias = format!("party/{}@{}", party(9), party(3));
    let shown = format!("photo/{}", photo(7));
    let reading = reading(&[
        ("kind", words("repair")),
        ("day", words("2026-11-21")),
        ("started_at", Value::Instant(TEN + 13 * 60 * MINUTE)),
        (&own, Value::Integer(45)),
        (&by_alias, Value::Integer(30)),
        (&shown, Value::Instant(TEN)),
        ("place.lat", Value::Number(52.445)),
        ("place.lon", Value::Number(-1.889)),
        ("repair.product", words(" Kettle ")),
        ("repair.brand", words("")),
        ("repair.year", Value::Integer(2019)),
        ("source.provider", words("Restarters")),
        ("source.id", words("r_7")),
    ]);
    let record = Record::read(&reading, origin(), resolve).expect("readable");
    assert_eq!(record.minutes, [(party(1), 75)].into(), "an alias is the same person");
    assert_eq!(record.days, [day("2026-11-21"), day("2026-11-22")].into(), "23:00 and 75 minutes");
    assert_eq!(record.span(), Some((TEN + 13 * 60 * MINUTE, 75)));
    assert_eq!(record.photos, [(photo(7), TEN)].into());
    assert_eq!((record.product.as_deref(), record.brand), (Some("kettle"), None));
    assert_eq!(record.year, Some(2019));
    assert_eq!(record.source, Some(Source { provider: "Restarters".to_owned(), id: "r_7".to_owned() }));
    assert_eq!(record.place.map(|place| place.accuracy_m), Some(0.0));
}

#[test]
fn half_a_place_and_zero_are_none_and_what_cannot_be_read_is_no_record() {
    let at = |fields: &[(&str, Value)]| {
        let plain = [("kind", words("hours")), ("day", words("2026-11-21"))];
        Record::read(&reading(&[&plain[..], fields].concat()), origin(), resolve).expect("readable").place
    };
    assert_eq!(at(&[("place.lat", Value::Number(52.0))]), None);
    assert_eq!(at(&[("place.lat", Value::Number(0.0)), ("place.lon", Value::Number(0.0))]), None);
    assert!(
        at(&[("place.lat", Value::Number(51.5)), ("place.lon", Value::Number(0.0))]).is_some(),
        "Greenwich"
    );
    assert_eq!(Record::read(&reading(&[("kind", words("hours"))]), origin(), resolve), None);
}
