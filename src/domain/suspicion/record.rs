//! A record as the rules see it: the activity, its three times, and what else may tell of the same event.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::place::Place;
use crate::domain::activity::{Activity, PartyMinutes};
use crate::domain::ids::{ActivityId, DaybookId, PartyId};
use crate::domain::key::Key;
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::time::civil_day;

const MINUTE_MS: i64 = 60_000;

/// When, besides the time that the record itself claims. Milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// By the phone's clock: its last change of the record, in whole seconds. 0 or less where the app says nothing.
    pub recorded_ms: i64,
    /// By the server's clock.
    pub received_ms: i64,
    /// How far the phone's clock was ahead when it synced, if that was measured; behind is negative.
    pub skew_ms: Option<i64>,
}

/// Where an imported record came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub provider: String,
    pub id: String,
}

/// One activity as known. All parties are resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: ActivityId,
    pub daybook: DaybookId,
    /// Whose daybook it is.
    pub owner: PartyId,
    pub activity: Activity,
    pub times: Times,
    pub zone: Tz,
    /// The day that it names, and every civil day that its time touches.
    pub days: BTreeSet<NaiveDate>,
    /// Minutes of each person, however often the record names them; above 0.
    pub minutes: BTreeMap<PartyId, i64>,
    pub place: Option<Place>,
    /// By the hash of each photo, when it was taken.
    pub photos: BTreeMap<String, i64>,
    /// In lower case, without spaces around.
    pub product: Option<String>,
    pub brand: Option<String>,
    pub year: Option<i64>,
    pub age_years: Option<f64>,
    pub service_code: Option<String>,
    pub fixes_request: Option<String>,
    pub source: Option<Source>,
    /// When and where its occasion is, if it is a part and that is known.
    pub setting: Option<Setting>,
}

/// When and where an event is.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// See [`Record::span`].
    pub span: Option<(i64, i64)>,
    pub place: Option<Place>,
    pub place_id: Option<String>,
}

/// Whose record it is, where, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub id: ActivityId,
    pub daybook: DaybookId,
    pub owner: PartyId,
    pub times: Times,
    /// The neighbourhood's.
    pub zone: Tz,
}

impl Record {
    /// A record from its reading; `resolve` gives the party that an id stands for. Nothing if the activity as a
    /// whole cannot be read.
    #[must_use]
    pub fn read(reading: &Reading, origin: Origin, resolve: impl Fn(PartyId) -> PartyId) -> Option<Self> {
        let mut activity = Activity::from_reading(reading, origin.zone).ok()?;
        for party in &mut activity.parties {
            party.party_id = resolve(party.party_id);
            party.organisation_id = party.organisation_id.map(&resolve);
        }
        let text = |key| text(reading, key);
        let provider = text(Key::Source("provider"));
        let source = provider.zip(text(Key::Source("id"))).map(|(provider, id)| Source { provider, id });
        let mut record = Self {
            id: origin.id,
            daybook: origin.daybook,
            owner: resolve(origin.owner),
            times: origin.times,
            zone: origin.zone,
            days: BTreeSet::new(),
            minutes: BTreeMap::new(),
            place: place(reading),
            photos: photos(reading),
            product: text(Key::Repair("product")).and_then(label),
            brand: text(Key::Repair("brand")).and_then(label),
            year: number(reading, Key::Repair("year")).map(|year| year as i64),
            age_years: number(reading, Key::Repair("age_years")),
            service_code: text(Key::Street("service_code")).and_then(label),
            fixes_request: text(Key::Street("fixes_request")),
            source,
            setting: None,
            activity,
        };
        record.derive();
        Some(record)
    }

    /// The same with what was decided about it in place of what it says: when it began, which occasion it takes
    /// from, and everybody's minutes.
    #[must_use]
    pub fn decided(
        mut self,
        started_at_ms: Option<i64>,
        part_of: Option<ActivityId>,
        minutes: impl IntoIterator<Item = (PartyId, i64)>,
    ) -> Self {
        (self.activity.started_at_ms, self.activity.part_of) = (started_at_ms, part_of);
        let named = minutes.into_iter();
        self.activity.parties = named
            .map(|(party_id, minutes)| PartyMinutes { party_id, organisation_id: None, minutes })
            .collect();
        self.derive();
        self
    }

    /// The same as a part of an occasion: what it leaves out of when and where is that of the occasion, if the days
    /// agree.
    #[must_use]
    pub fn at(mut self, occasion: &Self) -> Self {
        if occasion.days.contains(&self.activity.day) {
            let (span, place) = (occasion.span(), occasion.place);
            self.setting = Some(Setting { span, place, place_id: occasion.activity.place_id.clone() });
        }
        self
    }

    /// When the event was: by the record's own time, else by its occasion's.
    pub(super) fn event_span(&self) -> Option<(i64, i64)> {
        self.span().or_else(|| self.setting.as_ref()?.span)
    }

    /// Where the event was: by the record's own place, else by its occasion's.
    pub(super) fn event_place(&self) -> (Option<&Place>, Option<&String>) {
        let own = (self.place.as_ref(), self.activity.place_id.as_ref());
        match (&self.setting, own) {
            (Some(setting), (None, None)) => (setting.place.as_ref(), setting.place_id.as_ref()),
            _ => own,
        }
    }

    /// Computes what follows from the activity.
    pub(super) fn derive(&mut self) {
        self.minutes.clear();
        for party in self.activity.parties.iter().filter(|party| party.minutes > 0) {
            let minutes = self.minutes.entry(party.party_id).or_insert(0);
            *minutes = minutes.saturating_add(party.minutes);
        }
        self.days = BTreeSet::from([self.activity.day]);
        if let Some((start_ms, minutes)) = self.span() {
            let end_ms = start_ms.saturating_add(minutes.saturating_mul(MINUTE_MS));
            let mut at_ms = start_ms;
            // Less than two days and so few steps: the longest span is a day.
            while at_ms < end_ms {
                self.days.extend(civil_day(at_ms, self.zone));
                at_ms = at_ms.saturating_add(12 * 60 * MINUTE_MS);
            }
            self.days
                .extend([civil_day(start_ms, self.zone), civil_day(end_ms, self.zone)].into_iter().flatten());
        }
    }

    /// The stretch of time that the record claims: its start in milliseconds and its length in minutes, that of
    /// whoever stayed longest; where nobody is named the minutes of one of its people, at most a day.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        let start_ms = self.activity.started_at_ms?;
        let longest = self.minutes.values().copied().max();
        Some((start_ms, longest.or_else(|| self.minutes_each()).unwrap_or(0).clamp(0, 24 * 60)))
    }

    /// Minutes of one of the people of an occasion, on average; nothing if it does not count them.
    #[must_use]
    pub fn minutes_each(&self) -> Option<i64> {
        let people = self.activity.people.filter(|people| *people > 0)?;
        self.activity.person_minutes?.checked_div(people)
    }

    /// Minutes of all people together: those named, or the total where that says more.
    #[must_use]
    pub fn person_minutes(&self) -> i64 {
        let named = self.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
        named.max(self.activity.person_minutes.unwrap_or(0))
    }

    /// It counts people, or minutes of people, without a name.
    #[must_use]
    pub fn has_unnamed(&self) -> bool {
        let names = i64::try_from(self.minutes.len()).unwrap_or(i64::MAX);
        let named = self.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
        self.activity.people.is_some_and(|people| people > names)
            || self.activity.person_minutes.is_some_and(|total| total > named)
    }

    /// The count of one item, picked up; 0 where there is none.
    #[must_use]
    pub fn picked_up(&self, item: &str) -> i64 {
        let tallies = self.activity.tallies.iter().filter(|tally| !tally.seen && tally.item == item);
        tallies.fold(0, |sum, tally| sum.saturating_add(tally.count))
    }

    /// All items picked up: bags and weights are no items.
    #[must_use]
    pub fn items_picked_up(&self) -> i64 {
        let items = self.activity.tallies.iter().filter(|tally| !tally.seen);
        let items = items.filter(|tally| tally.item != "bags" && tally.item != "weight_g");
        items.fold(0, |sum, tally| sum.saturating_add(tally.count))
    }

    /// One is a part of the other or both are parts of one occasion: they tell of one event, and say so.
    #[must_use]
    pub fn shares_occasion(&self, other: &Self) -> bool {
        let occasion = |record: &Self| record.activity.part_of.unwrap_or(record.id);
        occasion(self) == occasion(other)
    }

    /// One confirms the other.
    #[must_use]
    pub fn confirms_or_confirmed(&self, other: &Self) -> bool {
        self.activity.confirms == Some(other.id) || other.activity.confirms == Some(self.id)
    }

    /// Whether two records count at all beside each other: two of them, and neither taken back.
    #[must_use]
    pub(super) fn stands_beside(&self, other: &Self) -> bool {
        self.id != other.id && !self.activity.withdrawn && !other.activity.withdrawn
    }
}

fn value<'a>(reading: &'a Reading, key: Key<'_>) -> Option<&'a Value> {
    reading.fields.get(&key.to_string()).and_then(Field::first)
}

fn text(reading: &Reading, key: Key<'_>) -> Option<String> {
    match value(reading, key) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn number(reading: &Reading, key: Key<'_>) -> Option<f64> {
    match value(reading, key) {
        Some(Value::Number(number)) => Some(*number),
        Some(Value::Integer(number)) => Some(*number as f64),
        _ => None,
    }
}

/// Words as they are compared.
fn label(text: String) -> Option<String> {
    let label = text.trim().to_lowercase();
    (!label.is_empty()).then_some(label)
}

fn place(reading: &Reading) -> Option<Place> {
    let (lat, lon) = (number(reading, Key::PlaceLat)?, number(reading, Key::PlaceLon)?);
    let accuracy_m = number(reading, Key::PlaceAccuracy).unwrap_or(0.0);
    // Phones without a fix write 0, 0 (as OpenLitterMap found, and refuses): a point in the Gulf of Guinea.
    (lat != 0.0 || lon != 0.0).then_some(Place { lat, lon, accuracy_m })
}

fn photos(reading: &Reading) -> BTreeMap<String, i64> {
    let photo = |(key, field): (&String, &Field)| match (Key::parse(key), field.first()) {
        (Key::Photo(sha256), Some(Value::Instant(taken_ms))) => Some((sha256.to_owned(), *taken_ms)),
        _ => None,
    };
    reading.fields.iter().filter_map(photo).collect()
}
