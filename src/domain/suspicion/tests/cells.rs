//! Distances against known ones, and that whatever is near is found.

use proptest::prelude::*;

use super::samples::{MINUTE, TEN, between, minutes, pick, with};
use crate::domain::suspicion::near::{SEARCH_RADIUS_M, asks, cell, cells_around, traces};
use crate::domain::suspicion::{Place, Record};

fn at(lat: f64, lon: f64) -> Place {
    Place { lat, lon, accuracy_m: 0.0 }
}

#[test]
fn distances_are_those_of_the_globe() {
    let quarter = std::f64::consts::FRAC_PI_2 * 6_371_008.8;
    let degree = quarter / 90.0;
    let table = [
        (at(0.0, 0.0), at(90.0, 0.0), quarter),
        (at(0.0, 0.0), at(0.0, 180.0), 2.0 * quarter),
        (at(-90.0, 17.0), at(90.0, -60.0), 2.0 * quarter),
        (at(10.0, 20.0), at(11.0, 20.0), degree),
        (at(60.0, 0.0), at(60.0, 0.001), degree / 2_000.0),
        (at(0.0, 179.9995), at(0.0, -179.9995), degree / 1_000.0),
        (at(52.0, 180.0), at(52.0, -180.0), 0.0),
        // Big Ben to the Statue of Liberty: 5,574.8 km on a sphere of 6,371 km.
        (at(51.5007, -0.1246), at(40.6892, -74.0445), 5_574_848.0),
    ];
    for (a, b, metres) in table {
        let (there, back) = (a.distance_m(&b), b.distance_m(&a));
        assert!((there - metres).abs() <= metres * 1e-5 + 1e-6, "{a:?} {b:?}: {there}, not {metres}");
        assert!((there - back).abs() < 1e-6);
    }
}

/// A point so many metres from another in some direction.
fn moved(from: Place, metres: f64, bearing: f64) -> Place {
    let angle = metres / 6_371_008.8;
    let (lat, lon) = (from.lat.to_radians(), from.lon.to_radians());
    let to_lat = (lat.sin() * angle.cos() + lat.cos() * angle.sin() * bearing.cos()).clamp(-1.0, 1.0).asin();
    let east = bearing.sin() * angle.sin() * lat.cos();
    let to_lon = lon + east.atan2(angle.cos() - lat.sin() * to_lat.sin());
    at(to_lat.to_degrees(), (to_lon.to_degrees() + 540.0).rem_euclid(360.0) - 180.0)
}

/// Places everywhere, and many near the poles, the 180th meridian, the equator and the edges of cells.
fn place() -> impl Strategy<Value = Place> {
    let lat = prop_oneof![
        -90.0..=90.0_f64,
        89.99..=90.0_f64,
        -90.0..=-89.99_f64,
        Just(90.0),
        Just(-90.0),
        -0.01..0.01_f64,
        (-36_000..=36_000_i32).prop_map(|row| f64::from(row) / 400.0),
    ];
    let lon =
        prop_oneof![-180.0..=180.0_f64, 179.99..=180.0_f64, -180.0..=-179.99_f64, Just(180.0), Just(-180.0)];
    (lat, lon).prop_map(|(lat, lon)| at(lat, lon))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn whatever_lies_within_the_radius_is_in_a_cell_that_is_asked(
        here in place(),
        metres in prop_oneof![0.0..=SEARCH_RADIUS_M, Just(SEARCH_RADIUS_M)],
        bearing in 0.0..std::f64::consts::TAU,
    ) {
        let there = moved(here, metres, bearing);
        prop_assert!(here.distance_m(&there) <= SEARCH_RADIUS_M + 0.01);
        prop_assert!(cells_around(&here).contains(&cell(&there)), "{here:?} {there:?}");
        prop_assert!(cells_around(&there).contains(&cell(&here)), "{there:?} {here:?}");
    }

    #[test]
    fn few_cells_are_asked(here in place()) {
        let most = if here.lat.abs() < 89.9 { 9 } else { 24 };
        let asked = cells_around(&here);
        prop_assert!(asked.contains(&cell(&here)));
        prop_assert!(asked.len() <= most, "{here:?}: {}", asked.len());
    }

    #[test]
    fn two_records_that_a_rule_connects_find_each_other(
        metres in 0.0..=200.0_f64,
        accuracy_m in 0.0..=150.0_f64,
        start in -3_000..3_000_i64,
        length in 0..=1_440_i64,
        timed in any::<bool>(),
        shared in any::<bool>(),
        placed in any::<bool>(),
    ) {
        let b = with(pick(2), |b| {
            b.activity.started_at_ms = timed.then_some(TEN + start * MINUTE);
            b.activity.people = Some(3);
            b.activity.parties = vec![minutes(if shared { 1 } else { 2 }, length)];
            b.place = placed.then(|| Place { accuracy_m, ..moved(at(52.445, -1.889), metres, 1.0) });
        });
        let a = pick(1);
        let found = between(&a, &b);
        prop_assert!(found.is_empty() || finds(&a, &b) && finds(&b, &a), "{found:?}");
    }
}

fn finds(a: &Record, b: &Record) -> bool {
    !asks(a, |party| [*party].into()).is_disjoint(&traces(b))
}

#[test]
fn records_of_other_days_places_and_people_are_not_found() {
    let far = with(pick(2), |far| far.place = Some(at(52.455, -1.889)));
    assert!(!finds(&pick(1), &far));
    let late = with(pick(2), |late| {
        late.activity.started_at_ms = Some(TEN + 2 * 1_440 * MINUTE);
        late.activity.day = super::samples::day("2026-11-23");
    });
    assert!(!finds(&pick(1), &late));
    assert!(finds(&pick(1), &pick(2)));
}

#[test]
fn a_record_without_a_place_leaves_its_people_and_days() {
    let placeless = with(pick(1), |placeless| placeless.place = None);
    assert_eq!(traces(&placeless).len(), 1);
    let night =
        with(placeless, |night| night.activity.started_at_ms = Some(TEN + 13 * 60 * MINUTE + 30 * MINUTE));
    assert_eq!(traces(&night).len(), 2, "it ends on the next day");
}

#[test]
fn cells_are_the_same_on_every_build() {
    // Stored in the database: a change of the grid needs a migration.
    assert_eq!(cell(&at(52.445, -1.889)), 56_978 * 262_144 + 43_422);
    assert_eq!(cell(&at(90.0, 77.0)), 71_999 * 262_144);
    assert_eq!(cell(&at(0.0, 180.0)), cell(&at(0.0, -180.0)));
}
