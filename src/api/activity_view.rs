//! An activity as JSON: the flat document, made comfortable (shape: the reference's `Activity`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::Instant;
use crate::domain::activity::{Activity, Kind, Phase};
use crate::app::App;
use crate::domain::ids::{ActivityId, DaybookId, DeviceId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::key::Key;
use crate::domain::reading::{Field, Reading, Unreadable, Value};
use crate::domain::review::{Conflict, Review};
use crate::flows::FlowError;
use crate::ledger::Judgement;
use crate::merge::ActivityState;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::{activity, judgement};

/// Decimals of a place for whoever may not see it exactly: about 100 m.
const PLACE_DECIMALS_COARSE: i32 = 3;

/// An activity with what is judged of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActivityView {
    pub id: ActivityId,
    pub daybook_id: DaybookId,
    /// The party whose daybook it is.
    pub party_id: PartyId,
    /// Absent while it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Kind>,
    /// The civil day that the person means.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-21")]
    pub day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Instant>,
    /// `clocked`, `recalled` or `estimated`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minutes_source: Option<String>,
    pub phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Who gave how many minutes.
    pub parties: Vec<PartyView>,
    /// Total number of people of an occasion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub people: Option<i64>,
    /// Total minutes of all people of an occasion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person_minutes: Option<i64>,
    /// Stated total less the minutes of named parties, at least 0. Approved parts lower what is posted further.
    pub remainder_minutes: i64,
    /// Counts of items; each the sum of its registers.
    pub tallies: Vec<TallyView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bags: Option<i64>,
    /// Grams.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight_g: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<PlaceView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grade: Option<GradeView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repair: Option<RepairView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub street: Option<StreetView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourceView>,
    pub photos: Vec<PhotoView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub programme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part_of: Option<ActivityId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirms: Option<ActivityId>,
    pub withdrawn: bool,
    /// Keys of the document that this version of the server does not know, as they are.
    #[schema(value_type = Object)]
    pub unknown: BTreeMap<String, serde_json::Value>,
    /// Fields that cannot be read, with the reason.
    pub unreadable_fields: BTreeMap<String, Unreadable>,
    /// Why the activity as a whole cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unreadable: Option<Unreadable>,
    pub review: Review,
    pub conflict: Conflict,
    /// Fields in which several different values survive.
    pub conflicts: Vec<ConflictView>,
    /// `<number>-<8 hex of the reading's hash>`: names exactly this reading.
    #[schema(example = "3-5bb5a4c5")]
    pub version: String,
    /// The newest version that was judged; 0 while none was.
    pub judged_version: i64,
    /// Rises with every change of the activity, decisions included.
    pub revision: i64,
    /// Names the last decision; a decision on this activity sends it back.
    pub decision_seq: i64,
    /// Entity tag of this revision.
    pub etag: String,
    /// When it happened, as claimed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occurred: Option<Instant>,
    /// The phone's clock at the last change.
    pub recorded_at: Instant,
    /// When the server first received it.
    pub received_at: Instant,
    /// Minutes posted to accounts for this activity, remainder included.
    pub posted: i64,
}

/// Minutes of one party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartyView {
    pub party_id: PartyId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organisation_id: Option<PartyId>,
    pub minutes: i64,
}

/// A count of one item.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    #[schema(example = "smoking.butts")]
    pub item: String,
    /// Only seen, not picked up.
    pub seen: bool,
    pub count: i64,
    pub registers: Vec<RegisterView>,
}

/// One phone's own count.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisterView {
    pub register: String,
    pub count: i64,
}

/// A place, WGS84.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlaceView {
    pub lat: f64,
    pub lon: f64,
    /// Metres.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_m: Option<f64>,
}

/// Cleanliness grades A to D before and after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GradeView {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
}

/// A repair, in the terms of the Open Repair Data Standard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepairView {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub year: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_years: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub barrier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// A street fix, in the terms of Open311.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreetView {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixes_request: Option<String>,
}

/// Where an imported record comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
}

/// A photo that the record names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PhotoView {
    pub sha256: String,
    pub taken_at: Instant,
    /// Whether the photo itself was uploaded.
    pub arrived: bool,
}

/// A field in which several different values survive.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    /// The document's key.
    #[schema(example = "minutes_source")]
    pub field: String,
    /// The value shown first in the field comes first.
    pub values: Vec<ConflictValue>,
}

/// One of the surviving values.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConflictValue {
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// The grant that brought it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant_id: Option<GrantId>,
    /// The device that brought it; absent in lists, and where no device did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_id: Option<DeviceId>,
    /// The phone's clock when it was written; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded_at: Option<Instant>,
    /// When the server received it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received_at: Option<Instant>,
}

/// `<number>-<8 hex of the reading's hash>`.
#[must_use]
pub fn version_name(version: i64, reading: &Reading) -> String {
    format!("{version}-{}", hex::encode(&reading.hash()[..4]))
}

/// The entity tag of an activity for those who see places exactly, and for the others.
#[must_use]
pub fn etag(revision: i64, exact: bool) -> String {
    format!("\"{revision}-{}\"", if exact { "exact" } else { "coarse" })
}

/// Builds the view. `zone` gives the day where only `started_at` does.
#[must_use]
pub fn view(
    row: &activity::Model,
    judged: Option<&judgement::Model>,
    zone: chrono_tz::Tz,
    exact: bool,
) -> Option<ActivityView> {
    let reading: Reading = serde_json::from_str(&row.reading).ok()?;
    let judgement: Judgement =
        judged.and_then(|row| serde_json::from_str(&row.body).ok()).unwrap_or_default();
    let typed = Activity::from_reading(&reading, zone);
    let fields = Fields(&reading);
    let revision = row.revision + judged.map_or(0, |row| row.revision);
    let mut view = bare(row, &reading, &judgement, revision, exact);
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

fn bare(row: &activity::Model, reading: &Reading, judgement: &Judgement, revision: i64, exact: bool) -> ActivityView {
    ActivityView {
        id: ActivityId(row.id),
        daybook_id: DaybookId(row.daybook_id),
        party_id: PartyId(row.party_id),
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
        version: version_name(row.version, reading),
        judged_version: judgement.judged_version,
        revision,
        decision_seq: judgement.decision_seq,
        etag: etag(revision, exact),
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
        .map(|party| PartyView {
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
    several
        .map(|(key, values)| ConflictView {
            field: key.clone(),
            values: values
                .iter()
                .map(|value| ConflictValue {
                    value: value.to_json(),
                    grant_id: None,
                    device_id: None,
                    recorded_at: None,
                    received_at: None,
                })
                .collect(),
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

fn coarse(degrees: f64) -> f64 {
    let factor = 10_f64.powi(PLACE_DECIMALS_COARSE);
    (degrees * factor).round() / factor
}

/// Adds to each surviving value the device that brought it and its times, from the rows of the changes that
/// hold the operations.
///
/// # Errors
/// Where the database or a stored state cannot be read.
pub async fn with_origins(app: &App, row: &activity::Model, view: &mut ActivityView) -> Result<(), FlowError> {
    if view.conflicts.is_empty() {
        return Ok(());
    }
    let state = ActivityState::decode(&row.state).map_err(FlowError::internal)?;
    let of = Of { neighbourhood: NeighbourhoodId(row.neighbourhood_id), daybook: DaybookId(row.daybook_id) };
    for conflict in &mut view.conflicts {
        for (value, id) in state.values(&conflict.field) {
            let json = value.to_json();
            let Some(shown) = conflict.values.iter_mut().find(|shown| shown.value == json && shown.received_at.is_none())
            else {
                continue;
            };
            let (actor, counter) = (id.actor.as_bytes().to_vec(), id.counter);
            let Some(origin) = store::changes::origin(app.db().read(), of, actor, counter).await? else { continue };
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
