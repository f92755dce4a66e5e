//! Where to look for records that may be about the same: integers that a database finds with a plain index,
//! on SQLite and PostgreSQL alike, without an extension.
//!
//! The globe is cut into rows of 1/400 degree of latitude (278 m), each row into as many columns as are at
//! least 278 m wide at its end nearer to a pole. A place has one cell; whatever lies within
//! [`SEARCH_RADIUS_M`] of it is in one of the cells around it: at most 3 × 3, and a few more within half a
//! kilometre of a pole. Rows meet at the poles and columns across the 180th meridian.
//!
//! A record *leaves* traces ([`traces`]) and *asks* for traces ([`asks`]): numbers made from a cell and a day,
//! a person and a day, a photo's hash, an id elsewhere. Two records that a rule compares share a trace that
//! one leaves and the other asks for, whichever of them comes first. One table (neighbourhood, trace,
//! activity) and one index serve all rules. Traces of different things may be equal by chance: a rule looks
//! at the records themselves.
//!
//! A record leaves traces of people under the ids that it names them by, so that they follow from the record
//! alone; it asks for everybody under all ids that stand for them now.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};
use sha2::{Digest, Sha256};

use super::place::{EARTH_RADIUS_M, Place};
use super::record::{Origin, Record};
use crate::domain::activity::Kind;
use crate::domain::ids::PartyId;
use crate::domain::reading::Reading;

/// How far around a place is looked. No rule may take two places for near that are further apart; see
/// [`super::Thresholds::fault`].
pub const SEARCH_RADIUS_M: f64 = 250.0;
/// Rows in a degree of latitude; the height of a row, 278 m, is above [`SEARCH_RADIUS_M`].
const ROWS_PER_DEGREE: f64 = 400.0;
/// Rows from pole to pole.
const ROWS: i64 = 72_000;
/// Columns of a row on the equator, where they are as wide as a row is high.
const COLUMNS_MAX: f64 = 144_000.0;
/// Rows are this far apart in a cell's number; above [`COLUMNS_MAX`].
const ROW_STRIDE: i64 = 262_144;
/// Angles are searched a little wider than computed: a quarter of a millimetre, far above rounding.
const MARGIN: f64 = 1.000_001;

/// The cell of a place: row × 262,144 + column.
#[must_use]
pub fn cell(place: &Place) -> i64 {
    let row = row_of(place.lat);
    let columns = columns_of(row);
    row * ROW_STRIDE + column_of(place.lon, columns).rem_euclid(columns)
}

/// The cells that hold everything within [`SEARCH_RADIUS_M`] of a place.
#[must_use]
pub fn cells_around(place: &Place) -> BTreeSet<i64> {
    let angle = SEARCH_RADIUS_M / EARTH_RADIUS_M * MARGIN;
    let lat_span = angle.to_degrees();
    let lon_span = lon_span(place.lat, angle);
    let mut cells = BTreeSet::new();
    for row in row_of(place.lat - lat_span)..=row_of(place.lat + lat_span) {
        let columns = columns_of(row);
        let (from, to) = match lon_span {
            Some(span) => (column_of(place.lon - span, columns), column_of(place.lon + span, columns)),
            None => (0, columns - 1),
        };
        let to = to.min(from + columns - 1);
        cells.extend((from..=to).map(|column| row * ROW_STRIDE + column.rem_euclid(columns)));
    }
    cells
}

/// The traces that a version leaves; none once it was taken back, or if it cannot be read as a whole.
#[must_use]
pub fn left_by(reading: &Reading, origin: Origin) -> BTreeSet<i64> {
    let record = Record::read(reading, origin, |id| id);
    record.filter(|record| !record.activity.withdrawn).map(|record| traces(&record)).unwrap_or_default()
}

/// The traces that a record leaves; the record is read without aliases being resolved.
#[must_use]
pub fn traces(record: &Record) -> BTreeSet<i64> {
    let mut traces = shared(record, |party| [*party].into());
    if let Some(place) = &record.place {
        let cell = cell(place);
        traces.extend(record.days.iter().map(|day| in_cell(cell, *day)));
    }
    traces
}

/// The traces that a record asks for: those of the records that it may have something in common with. `ids` are
/// all that stand for a party.
#[must_use]
pub fn asks(record: &Record, ids: impl Fn(&PartyId) -> BTreeSet<PartyId>) -> BTreeSet<i64> {
    let mut traces = shared(record, ids);
    if let Some(place) = &record.place {
        for cell in cells_around(place) {
            traces.extend(record.days.iter().map(|day| in_cell(cell, *day)));
        }
    }
    traces
}

/// Traces that are left and asked for alike.
fn shared(record: &Record, ids: impl Fn(&PartyId) -> BTreeSet<PartyId>) -> BTreeSet<i64> {
    let people: BTreeSet<PartyId> = record.minutes.keys().flat_map(ids).collect();
    let mut traces: BTreeSet<i64> =
        record.photos.keys().map(|photo| trace("photo", &[photo.as_bytes()])).collect();
    for day in &record.days {
        let day_number = day.num_days_from_ce().to_be_bytes();
        let on_day = |family, subject: &[u8]| trace(family, &[&day_number, subject]);
        traces.extend(people.iter().map(|party| on_day("person", party.0.as_bytes())));
        traces.extend(record.activity.place_id.iter().map(|id| on_day("place_id", id.as_bytes())));
        let product = record.product.iter().filter(|_| record.activity.kind == Kind::Repair);
        traces.extend(product.map(|product| on_day("product", product.as_bytes())));
    }
    if let Some(source) = &record.source {
        traces.insert(trace("source", &[source.provider.as_bytes(), source.id.as_bytes()]));
    }
    traces.extend(record.fixes_request.iter().map(|request| trace("request", &[request.as_bytes()])));
    traces
}

fn in_cell(cell: i64, day: NaiveDate) -> i64 {
    trace("cell", &[&day.num_days_from_ce().to_be_bytes(), &cell.to_be_bytes()])
}

/// The first 8 bytes of a hash of the parts, each behind its length.
fn trace(family: &str, parts: &[&[u8]]) -> i64 {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&family.as_bytes()).chain(parts) {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let (first, _) = digest.split_at(8);
    first.iter().fold(0, |trace, byte| trace << 8 | i64::from(*byte))
}

fn row_of(lat: f64) -> i64 {
    (((lat + 90.0) * ROWS_PER_DEGREE).floor() as i64).clamp(0, ROWS - 1)
}

fn columns_of(row: i64) -> i64 {
    let edge = |row: i64| (row as f64 / ROWS_PER_DEGREE - 90.0).abs();
    let poleward = edge(row).max(edge(row + 1)).to_radians();
    ((COLUMNS_MAX * cosine_at_most(poleward)).floor() as i64).max(1)
}

/// Not yet wrapped around the globe: may be below 0, or the number of columns and more.
fn column_of(lon: f64, columns: i64) -> i64 {
    ((lon + 180.0) / 360.0 * columns as f64).floor() as i64
}

/// How many degrees of longitude a circle around a place reaches to each side; nothing if it holds a pole.
fn lon_span(lat: f64, angle: f64) -> Option<f64> {
    let lat = lat.abs().to_radians();
    if lat + angle >= std::f64::consts::FRAC_PI_2 {
        return None;
    }
    let span = (angle.sin() / lat.cos()).min(1.0).asin().to_degrees() * MARGIN;
    Some(span.min(180.0))
}

/// A little less than the cosine, from multiplications and additions alone: those are the same to the last
/// bit on every machine, and cells are compared with cells that another machine may have written. Columns may
/// be wider than need be, never narrower.
fn cosine_at_most(radians: f64) -> f64 {
    let square = radians * radians;
    let mut term = 1.0;
    let mut sum = 1.0;
    // Up to the tenth power: a negative term, so that the sum is below the cosine, by less than a millionth.
    for step in 1..=5_i32 {
        let step = f64::from(step);
        term *= -square / ((2.0 * step - 1.0) * (2.0 * step));
        sum += term;
    }
    sum.max(0.0)
}
