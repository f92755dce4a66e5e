//! From a stored reading and what is judged of it to the view of an activity.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::activity_view::{
    ActivityView, ConflictValue, ConflictView, GradeView, PartyMinutes, PhotoView, PlaceView, RegisterView,
    RepairView, SourceView, StreetView, TallyView,
};
use super::error::{ApiResult, NOT_FOUND};
use super::types::Instant;
use crate::app::{Access, App};
use crate::domain::activity::{Activity, Phase};
use crate::domain::ids::{ActivityId, DaybookId, DeviceId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::key::Key;
use crate::domain::place::{self, coarse};
use crate::domain::reading::{Field, Reading, Unreadable, Value};
use crate::domain::version_name::VersionName;
use crate::flows::settled::{Settled, settled};
use crate::flows::{self, FlowError};
use crate::ledger::Judgement;
use crate::merge::ActivityState;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::{activity, judgement};

/// What the neighbourhood has to do with how an activity is shown.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Gives the day where only `started_at` does.
    pub zone: chrono_tz::Tz,
    /// Of the names of versions.
    pub salt: Vec<u8>,
}

/// That of the caller.
///
/// # Errors
/// Of the database.
pub async fn tenant(app: &App, access: &Access) -> ApiResult<Tenant> {
    let row = store::neighbourhoods::find(app.db().read(), access.neighbourhood).await?.ok_or(NOT_FOUND)?;
    let zone = flows::neighbourhoods::zone_of(&row)?;
    Ok(Tenant { zone, salt: row.salt.unwrap_or_default() })
}

/// The entity tag of an activity for those who see places exactly, and for the others. Whose the daybook is stands in
/// it: two parties made one raise no revision of what either recorded.
#[must_use]
pub fn etag(row: &activity::Model, judged: Option<&judgement::Model>, exact: bool) -> String {
    let revision = row.revision + judged.map_or(0, |judged| judged.revision);
    let [.., a, b] = row.party_id.into_bytes();
    format!("\"{revision}-{}-{a:02x}{b:02x}\"", if exact { "exact" } else { "coarse" })
}

/// Builds the view.
#[must_use]
pub fn view(
    row: &activity::Model,
    judged: Option<&judgement::Model>,
    tenant: &Tenant,
    exact: bool,
) -> Option<ActivityView> {
    let reading: Reading = serde_json::from_str(&row.reading).ok()?;
    let judgement: Judgement =
        judged.and_then(|row| serde_json::from_str(&row.body).ok()).unwrap_or_default();
    let typed = Activity::from_reading(&reading, tenant.zone);
    let fields = Fields(&reading);
    let revision = row.revision + judged.map_or(0, |row| row.revision);
    let named = VersionName::of(&tenant.salt, ActivityId(row.id), row.version, &reading.hash());
    let mut view = bare(row, &reading, &judgement, revision);
    view.version = named.to_string();
    view.etag = etag(row, judged, exact);
    view.replies = judged.and_then(|row| row.replies).unwrap_or_default();
    if let Some(Settled { fields, conflict }) = settled(row, &reading, &judgement) {
        (view.settled, view.conflict) = (fields, conflict);
    }
    if !exact {
        blur(&mut view);
    }
    view.note = fields.text("note");
    view.minutes_source = fields.text("minutes_source");
    view.place_id = fields.text("place_id");
    view.action = fields.text("action");
    view.programme = fields.text("programme");
    view.place = fields.place(exact);
    view.grade = fields.grade();
    view.repair = fields.repair();
    view.street = fields.street();
    view.source = fields.source();
    view.photos = fields.photos();
    view.unknown = fields.unknown();
    view.started_at = fields.instant("started_at");
    view.occurred = view.started_at;
    match typed {
        Ok(activity) => fill_typed(&mut view, activity),
        Err(reason) => view.unreadable = Some(reading.unreadable.unwrap_or(reason)),
    }
    Some(view)
}

/// Names who wrote activities down, where another did than whose they are: each by the grant of its row.
///
/// # Errors
/// Of the database.
pub async fn name_recorders<'v>(
    app: &App,
    access: &Access,
    views: impl Iterator<Item = (Option<Uuid>, &'v mut ActivityView)>,
) -> ApiResult<()> {
    let views: Vec<_> = views.filter_map(|(grant, view)| Some((grant?, view))).collect();
    let grants: BTreeSet<Uuid> = views.iter().map(|(grant, _)| *grant).collect();
    let parties = store::access::parties_of(app.db().read(), access.neighbourhood, grants).await?;
    for (grant, view) in views {
        view.recorded_by = parties.get(&grant).copied().filter(|party| *party != view.party_id);
    }
    Ok(())
}

fn bare(row: &activity::Model, reading: &Reading, judgement: &Judgement, revision: i64) -> ActivityView {
    ActivityView {
        id: ActivityId(row.id),
        daybook_id: DaybookId(row.daybook_id),
        party_id: PartyId(row.party_id),
        recorded_by: None,
        kind: None,
        day: None,
        started_at: None,
        minutes_source: None,
        phase: Phase::Delivery,
        note: None,
        parties: Vec::new(),
        people: None,
        person_minutes: None,
        remainder_minutes: 0,
        tallies: Vec::new(),
        bags: None,
        weight_g: None,
        place: None,
        place_id: None,
        grade: None,
        repair: None,
        street: None,
        source: None,
        photos: Vec::new(),
        programme: None,
        action: None,
        part_of: None,
        confirms: None,
        withdrawn: reading.deleted,
        unknown: BTreeMap::new(),
        unreadable_fields: unreadable_fields(reading),
        unreadable: reading.unreadable,
        review: judgement.review(),
        conflict: reading.conflict(),
        conflicts: conflicts(reading),
        settled: BTreeMap::new(),
        merged_into: judgement.merged_into,
        members: judgement.members.clone(),
        audit: judgement.audit,
        replies: 0,
        version: String::new(),
        judged_version: judgement.judged_version,
        revision,
        decision_seq: judgement.decision_seq,
        etag: String::new(),
        occurred: None,
        recorded_at: Instant(row.recorded_at_ms),
        received_at: Instant(row.received_at_ms),
        posted: judgement.posted.iter().map(|line| line.minutes).sum(),
    }
}

fn fill_typed(view: &mut ActivityView, activity: Activity) {
    view.kind = Some(activity.kind);
    view.day = Some(activity.day.to_string());
    view.phase = activity.phase;
    view.people = activity.people;
    view.person_minutes = activity.person_minutes;
    view.part_of = activity.part_of;
    view.confirms = activity.confirms;
    view.withdrawn = activity.withdrawn;
    let named: i64 = activity.parties.iter().map(|party| party.minutes).sum();
    view.remainder_minutes = activity.person_minutes.map_or(0, |total| (total - named).max(0));
    view.parties = activity
        .parties
        .into_iter()
        .map(|party| PartyMinutes {
            party_id: party.party_id,
            organisation_id: party.organisation_id,
            minutes: party.minutes,
        })
        .collect();
    for tally in activity.tallies {
        match tally.item.as_str() {
            "bags" => view.bags = Some(tally.count),
            "weight_g" => view.weight_g = Some(tally.count),
            _ => {}
        }
        let registers = tally
            .registers
            .into_iter()
            .map(|register| RegisterView { register: register.register, count: register.count })
            .collect();
        view.tallies.push(TallyView { item: tally.item, seen: tally.seen, count: tally.count, registers });
    }
}

fn unreadable_fields(reading: &Reading) -> BTreeMap<String, Unreadable> {
    reading
        .fields
        .iter()
        .filter_map(|(key, field)| match field {
            Field::Unreadable(reason) => Some((key.clone(), *reason)),
            _ => None,
        })
        .collect()
}

fn conflicts(reading: &Reading) -> Vec<ConflictView> {
    let several = reading.fields.iter().filter_map(|(key, field)| match field {
        Field::Several(values) => Some((key, values)),
        _ => None,
    });
    let instant = |value: &Value| match value {
        Value::Instant(at_ms) => Some(Instant(*at_ms)),
        _ => None,
    };
    let started_at = match reading.fields.get("started_at") {
        Some(Field::One(value)) => instant(value),
        _ => None,
    };
    several
        .map(|(key, values)| {
            let values = values.iter().map(|value| ConflictValue {
                value: value.to_json(),
                grant_id: None,
                device_id: None,
                occurred: if key == "started_at" { instant(value) } else { started_at },
                recorded_at: None,
                received_at: None,
            });
            ConflictView { field: key.clone(), values: values.collect(), operations: Vec::new() }
        })
        .collect()
}

/// The first value of each field.
struct Fields<'a>(&'a Reading);

impl Fields<'_> {
    fn first(&self, key: &str) -> Option<&Value> {
        match self.0.fields.get(key)? {
            Field::One(value) => Some(value),
            Field::Several(values) => values.first(),
            Field::Unreadable(_) => None,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.first(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn integer(&self, key: &str) -> Option<i64> {
        match self.first(key)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.first(key)? {
            Value::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "places and ages are small")]
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    fn instant(&self, key: &str) -> Option<Instant> {
        match self.first(key)? {
            Value::Instant(at_ms) => Some(Instant(*at_ms)),
            _ => None,
        }
    }

    fn place(&self, exact: bool) -> Option<PlaceView> {
        let (lat, lon) = (self.number("place.lat")?, self.number("place.lon")?);
        if exact {
            return Some(PlaceView { lat, lon, accuracy_m: self.number("place.accuracy_m") });
        }
        Some(PlaceView { lat: coarse(lat), lon: coarse(lon), accuracy_m: None })
    }

    fn grade(&self) -> Option<GradeView> {
        let grade = GradeView { before: self.text("grade.before"), after: self.text("grade.after") };
        (grade.before.is_some() || grade.after.is_some()).then_some(grade)
    }

    fn repair(&self) -> Option<RepairView> {
        let repair = RepairView {
            product: self.text("repair.product"),
            category: self.text("repair.category"),
            category_id: self.integer("repair.category_id"),
            brand: self.text("repair.brand"),
            year: self.integer("repair.year"),
            age_years: self.number("repair.age_years"),
            status: self.text("repair.status"),
            barrier: self.text("repair.barrier"),
            problem: self.text("repair.problem"),
        };
        (repair != RepairView::default()).then_some(repair)
    }

    fn street(&self) -> Option<StreetView> {
        let street = StreetView {
            service_code: self.text("street.service_code"),
            fixes_request: self.text("street.fixes_request"),
        };
        (street.service_code.is_some() || street.fixes_request.is_some()).then_some(street)
    }

    fn source(&self) -> Option<SourceView> {
        let source = SourceView {
            provider: self.text("source.provider"),
            id: self.text("source.id"),
            country: self.text("source.country"),
            group: self.text("source.group"),
        };
        (source != SourceView::default()).then_some(source)
    }

    fn photos(&self) -> Vec<PhotoView> {
        let photos = self.0.fields.keys().filter_map(|key| {
            let sha256 = key.strip_prefix("photo/")?.to_owned();
            Some(PhotoView { sha256, taken_at: self.instant(key)?, arrived: false })
        });
        photos.collect()
    }

    fn unknown(&self) -> BTreeMap<String, serde_json::Value> {
        let unknown = self.0.fields.keys().filter(|key| matches!(Key::parse(key), Key::Unknown(_)));
        unknown.filter_map(|key| self.first(key).map(|value| (key.clone(), value.to_json()))).collect()
    }
}

/// A reading for whoever may not see places exactly: nor how exact they are.
#[must_use]
pub fn blurred(reading: &Reading) -> Reading {
    let mut blurred = reading.clone();
    blurred.fields.remove("place.accuracy_m");
    for (key, field) in &mut blurred.fields {
        let values = match field {
            Field::One(value) => std::slice::from_mut(value),
            Field::Several(values) => values.as_mut_slice(),
            Field::Unreadable(_) => continue,
        };
        if matches!(Key::parse(key), Key::PlaceLat | Key::PlaceLon) {
            for value in values {
                if let Value::Number(degrees) = value {
                    *degrees = coarse(*degrees);
                }
            }
        }
    }
    blurred
}

/// Rounds the places among values in conflict and settled ones.
fn blur(view: &mut ActivityView) {
    view.conflicts.retain(|conflict| Key::parse(&conflict.field) != Key::PlaceAccuracy);
    for conflict in &mut view.conflicts {
        for shown in &mut conflict.values {
            place::blur_value(&conflict.field, &mut shown.value);
        }
    }
    place::blur(&mut view.settled);
}

/// Adds to each surviving value the device that brought it and its times, from the rows of the changes that
/// hold the operations.
///
/// # Errors
/// Where the database or a stored state cannot be read.
pub async fn with_origins(
    app: &App,
    row: &activity::Model,
    view: &mut ActivityView,
) -> Result<(), FlowError> {
    if view.conflicts.is_empty() {
        return Ok(());
    }
    let state = ActivityState::decode(&row.state).map_err(FlowError::internal)?;
    let of = Of { neighbourhood: NeighbourhoodId(row.neighbourhood_id), daybook: DaybookId(row.daybook_id) };
    for conflict in &mut view.conflicts {
        for (value, id) in state.values(&conflict.field) {
            conflict.operations.push(id.to_string());
            let json = value.to_json();
            let Some(shown) =
                conflict.values.iter_mut().find(|shown| shown.value == json && shown.received_at.is_none())
            else {
                continue;
            };
            let (actor, counter) = (id.actor.as_bytes().to_vec(), id.counter);
            let Some(origin) = store::changes::origin(app.db().read(), of, actor, counter).await? else {
                continue;
            };
            shown.grant_id = origin.grant_id.map(GrantId);
            shown.recorded_at = Some(Instant(origin.recorded_at_ms));
            shown.received_at = Some(Instant(origin.received_at_ms));
            if let Some(grant) = shown.grant_id {
                let grant = store::access::find_grant(app.db().read(), of.neighbourhood, grant).await?;
                shown.device_id = grant.and_then(|grant| grant.device_id).map(DeviceId);
            }
        }
    }
    Ok(())
}
