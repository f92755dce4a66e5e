//! Tests of `key`.

use super::*;

const ID: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";

#[test]
fn every_key_of_the_design_is_known_and_writes_itself_back() {
    let party = format!("party/{ID}");
    let member = format!("party/{ID}@{ID}");
    let photo = format!("photo/{}", "0a".repeat(32));
    let keys = [
        ("kind", Class::Ledger),
        ("day", Class::Ledger),
        ("started_at", Class::Ledger),
        ("minutes_source", Class::Inert),
        ("phase", Class::Ledger),
        ("note", Class::Inert),
        ("programme", Class::Ledger),
        ("action", Class::Report),
        ("place_id", Class::Report),
        ("part_of", Class::Ledger),
        ("confirms", Class::Ledger),
        (party.as_str(), Class::Ledger),
        (member.as_str(), Class::Ledger),
        ("people", Class::Ledger),
        ("person_minutes", Class::Ledger),
        ("tally/smoking.butts#k3", Class::Report),
        ("tally/alcohol.bottle.glass:seen#k3", Class::Report),
        ("tally/bags#k3", Class::Report),
        ("tally/weight_g#k3", Class::Report),
        ("place.lat", Class::Report),
        ("place.lon", Class::Report),
        ("place.accuracy_m", Class::Report),
        ("grade.before", Class::Report),
        ("grade.after", Class::Report),
        ("repair.product", Class::Report),
        ("repair.category_id", Class::Report),
        ("repair.age_years", Class::Report),
        ("street.service_code", Class::Report),
        ("source.group", Class::Report),
        (photo.as_str(), Class::Inert),
        ("withdrawn", Class::Ledger),
    ];
    for (text, class) in keys {
        let key = Key::parse(text);
        assert!(!matches!(key, Key::Unknown(_)), "{text}");
        assert_eq!(key.class(), class, "{text}");
        assert_eq!(key.to_string(), text);
    }
}

#[test]
fn near_misses_are_unknown_and_inert() {
    let upper = format!("party/{}", ID.to_uppercase());
    let half = format!("party/{ID}@");
    for text in [
        "",
        "Kind",
        "party/",
        upper.as_str(),
        half.as_str(),
        "tally/bags",
        "tally/bags#",
        "tally/#r",
        "tally/bags:seen#r",
        "tally/butts#r",
        "tally/a.b.c.d#r",
        "tally/a..b#r",
        "photo/abc",
        "repair.colour",
        "place.alt",
        "constructor",
    ] {
        assert_eq!(Key::parse(text), Key::Unknown(text));
        assert_eq!(Key::parse(text).class(), Class::Inert);
    }
}

#[test]
fn numbers_are_read_tolerantly_and_never_rounded() {
    let minutes = Key::parse("person_minutes");
    assert_eq!(minutes.read(&Raw::Float(90.0)), Ok(Some(Value::Integer(90))));
    assert_eq!(minutes.read(&Raw::Unsigned(90)), Ok(Some(Value::Integer(90))));
    assert_eq!(minutes.read(&Raw::Float(90.5)), Err(Unreadable::WrongType));
    assert_eq!(minutes.read(&Raw::Float(f64::NAN)), Err(Unreadable::WrongType));
    assert_eq!(minutes.read(&Raw::Float(1e300)), Err(Unreadable::OutOfRange));
    assert_eq!(minutes.read(&Raw::Unsigned(u64::MAX)), Err(Unreadable::OutOfRange));
    assert_eq!(minutes.read(&Raw::Text("90")), Err(Unreadable::WrongType));
    assert_eq!(minutes.read(&Raw::Null), Ok(None));
    assert_eq!(Key::PlaceLat.read(&Raw::Integer(52)), Ok(Some(Value::Number(52.0))));
    assert_eq!(Key::PlaceLat.read(&Raw::Float(90.1)), Err(Unreadable::OutOfRange));
    assert_eq!(Key::PlaceLat.read(&Raw::Float(f64::NAN)), Err(Unreadable::OutOfRange));
    assert_eq!(Key::StartedAt.read(&Raw::Float(1e12)), Ok(Some(Value::Instant(1_000_000_000_000))));
    assert_eq!(Key::StartedAt.read(&Raw::Instant(i64::MAX)), Err(Unreadable::OutOfRange));
}

#[test]
fn a_day_of_minutes_is_the_most_that_a_party_gives() {
    let party = format!("party/{ID}");
    let key = Key::parse(&party);
    assert_eq!(key.read(&Raw::Integer(0)), Ok(Some(Value::Integer(0))));
    assert_eq!(key.read(&Raw::Integer(1_440)), Ok(Some(Value::Integer(1_440))));
    assert_eq!(key.read(&Raw::Integer(1_441)), Err(Unreadable::OutOfRange));
    assert_eq!(key.read(&Raw::Integer(-1)), Err(Unreadable::OutOfRange));
}

#[test]
fn a_note_of_2000_characters_is_read_and_one_more_is_not() {
    let note = "é".repeat(2_000);
    assert_eq!(Key::Note.read(&Raw::Text(&note)), Ok(Some(Value::Text(note.clone()))));
    let longer = "é".repeat(2_001);
    assert_eq!(Key::Note.read(&Raw::Text(&longer)), Err(Unreadable::OutOfRange));
}

#[test]
fn ids_in_capitals_are_the_same_ids() {
    let upper = ID.to_uppercase();
    assert_eq!(Key::PartOf.read(&Raw::Text(&upper)), Ok(Some(Value::Text(ID.to_owned()))));
    assert_eq!(Key::PartOf.read(&Raw::Text("somewhere")), Err(Unreadable::OutOfRange));
}

#[test]
fn only_plain_uuids_name_activities() {
    assert!(parse_activity_key(ID).is_some());
    let upper = ID.to_uppercase();
    let simple = ID.replace('-', "");
    let braced = format!("{{{ID}}}");
    for other in ["", "settings", upper.as_str(), simple.as_str(), braced.as_str()] {
        assert!(parse_activity_key(other).is_none(), "{other}");
    }
}

#[test]
fn unknown_values_are_kept_as_json() {
    let key = Key::parse("weather");
    let json = |raw: Raw<'_>| match key.read(&raw) {
        Ok(Some(Value::Unknown(json))) => json.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(json(Raw::Null), "null");
    assert_eq!(json(Raw::Float(2.0)), json(Raw::Integer(2)));
    assert_eq!(json(Raw::Float(f64::NAN)), "\"NaN\"");
    assert_eq!(json(Raw::Instant(0)), "\"1970-01-01T00:00:00.000Z\"");
    assert_eq!(json(Raw::Bytes(&[255, 254])), "\"__4\"");
    let longer = "a".repeat(2_001);
    assert_eq!(key.read(&Raw::Text(&longer)), Err(Unreadable::OutOfRange));
    assert_eq!(key.read(&Raw::Bytes(longer.as_bytes())), Err(Unreadable::OutOfRange));
}

#[test]
fn every_key_of_no_family_is_one_that_is_known() {
    for name in PLAIN {
        let key = Key::parse(name);
        assert!(!matches!(key, Key::Unknown(_)), "{name}");
        assert_eq!(key.to_string(), name);
    }
}
