//! An activity as an app writes it in JSON, and the fields of the document that it becomes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::{Instant, word};
use crate::domain::activity::{Kind, Phase};
use crate::domain::draft::Draft;
use crate::domain::ids::{ActivityId, DaybookId, GrantId, PartyId};
use crate::domain::key::Key;
use crate::domain::reading::Value;

/// An activity as an app records it: `kind` and `day` alone make a valid one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityDraft {
    /// A UUIDv7, made by the client and stored before sending: the same again is answered as it was.
    pub id: ActivityId,
    /// Where to record: your own or one of a group of yours. Your first one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daybook_id: Option<DaybookId>,
    /// For whom you write it down, if not for yourself: a resident whom the neighbourhood knows, with a phone or without.
    /// It goes into that one's daybook, and is theirs to edit and to take back; `recorded_by` says that you wrote it.
    /// Without `confirms`, and without minutes of your own. For coordinators (`reconcile`) and for members of a hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PartyId>,
    pub kind: Kind,
    /// The civil day that the person means.
    #[schema(format = Date, example = "2026-11-21")]
    pub day: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Instant>,
    /// `clocked`, `recalled` or `estimated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "recalled")]
    pub minutes_source: Option<String>,
    /// `delivery` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub phase: Option<Phase>,
    /// What the person wrote, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Both sides of the canal")]
    pub note: Option<String>,
    /// Who gave how many minutes; whose daybook it is, is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<PartyDraft>,
    /// Total number of people of an occasion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 7)]
    pub people: Option<i64>,
    /// Total minutes of all people of an occasion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 630)]
    pub person_minutes: Option<i64>,
    /// Counts of items, in a register of this grant's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<TallyDraft>,
    /// Bags filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 3)]
    pub bags: Option<i64>,
    /// Grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 12_500)]
    pub weight_g: Option<i64>,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceDraft>,
    /// A place of the neighbourhood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_id: Option<String>,
    /// Cleanliness before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<GradeDraft>,
    /// What was repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairDraft>,
    /// What was fixed in the street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<StreetDraft>,
    /// Where it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceDraft>,
    /// Photos that the record names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<PhotoDraft>,
    /// The service or project that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "canal")]
    pub programme: Option<String>,
    /// The planned action that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The occasion that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<ActivityId>,
    /// The activity that its recorder confirms, as they saw it: what is more in it later needs another word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirms: Option<ActivityId>,
}

/// Minutes of one party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyDraft {
    /// Who gave them.
    pub party_id: PartyId,
    /// The organisation that the party acted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<PartyId>,
    /// 0 to 1,440.
    #[schema(minimum = 0, maximum = 1_440, example = 90)]
    pub minutes: i64,
}

/// A count of one item.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TallyDraft {
    /// What was counted: `category.object.type`.
    #[schema(example = "smoking.butts")]
    pub item: String,
    /// Only seen, not picked up.
    #[serde(default)]
    pub seen: bool,
    /// How many.
    #[schema(minimum = 0, example = 12)]
    pub count: i64,
}

/// A place, WGS84.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceDraft {
    /// Degrees north.
    #[schema(minimum = -90, maximum = 90, example = 52.456)]
    pub lat: f64,
    /// Degrees east.
    #[schema(minimum = -180, maximum = 180, example = -1.89)]
    pub lon: f64,
    /// Metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 8)]
    pub accuracy_m: Option<f64>,
}

/// Cleanliness grades A to D before and after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GradeDraft {
    /// `A` (clean) to `D` (heavily littered).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "D")]
    pub before: Option<String>,
    /// `A` (clean) to `D` (heavily littered).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "B")]
    pub after: Option<String>,
}

/// A repair, in the terms of the Open Repair Data Standard.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairDraft {
    /// What it is, in the words of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "kettle")]
    pub product: Option<String>,
    /// Product category, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Product category, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_id: Option<i64>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Year of manufacture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i64>,
    /// Age in years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_years: Option<f64>,
    /// `Fixed`, `Repairable`, `End of life` or `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it could not be fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<String>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A street fix, in the terms of Open311.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreetDraft {
    /// Open311 service code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "pothole")]
    pub service_code: Option<String>,
    /// The Open311 request that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixes_request: Option<String>,
}

/// Where an imported record comes from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDraft {
    /// Who provided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "restarters")]
    pub provider: Option<String>,
    /// Its id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Country, ISO 3166 alpha-3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The group that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A photo that the record names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhotoDraft {
    /// SHA-256 of the photo, in lower-case hex.
    pub sha256: String,
    /// When it was taken.
    pub taken_at: Instant,
}

/// Each grant counts in a register of its own.
pub(super) fn register(grant: GrantId) -> String {
    let (_, low) = grant.0.as_u64_pair();
    format!("{:012x}", low & 0xffff_ffff_ffff)
}

/// The document's fields of a draft.
pub(super) fn draft(item: &ActivityDraft, register: &str) -> Draft {
    let mut draft = Draft::default();
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    draft.put("/kind", Key::Kind, Some(Value::Text(word(&item.kind))));
    draft.put("/day", Key::Day, Some(Value::Text(item.day.clone())));
    draft.put("/started_at", Key::StartedAt, item.started_at.map(|at| Value::Instant(at.0)));
    draft.put("/minutes_source", Key::MinutesSource, text(&item.minutes_source));
    draft.put("/phase", Key::Phase, item.phase.map(|phase| Value::Text(word(&phase))));
    draft.put("/note", Key::Note, text(&item.note));
    draft.put("/people", Key::People, item.people.map(Value::Integer));
    draft.put("/person_minutes", Key::PersonMinutes, item.person_minutes.map(Value::Integer));
    draft.put("/place_id", Key::PlaceId, text(&item.place_id));
    draft.put("/programme", Key::Programme, text(&item.programme));
    draft.put("/action", Key::Action, text(&item.action));
    let activity = |id: Option<ActivityId>| id.map(|id| Value::Text(id.to_string()));
    draft.put("/part_of", Key::PartOf, activity(item.part_of));
    draft.put("/confirms", Key::Confirms, activity(item.confirms));
    for (at, party) in item.parties.iter().enumerate() {
        let key = Key::Party { party: party.party_id, organisation: party.organisation_id };
        let (named, minutes) = (format!("/parties/{at}/party_id"), format!("/parties/{at}/minutes"));
        draft.put_named(&named, &minutes, key, &Value::Integer(party.minutes));
    }
    for (at, tally) in item.tallies.iter().enumerate() {
        let key = Key::Tally { item: &tally.item, seen: tally.seen, register };
        let (named, count) = (format!("/tallies/{at}/item"), format!("/tallies/{at}/count"));
        draft.put_named(&named, &count, key, &Value::Integer(tally.count));
    }
    for (name, count) in [("bags", item.bags), ("weight_g", item.weight_g)] {
        let key = Key::Tally { item: name, seen: false, register };
        draft.put(&format!("/{name}"), key, count.map(Value::Integer));
    }
    for (at, photo) in item.photos.iter().enumerate() {
        let (named, taken_at) = (format!("/photos/{at}/sha256"), format!("/photos/{at}/taken_at"));
        draft.put_named(&named, &taken_at, Key::Photo(&photo.sha256), &Value::Instant(photo.taken_at.0));
    }
    nested(item, &mut draft);
    draft
}

fn nested(item: &ActivityDraft, draft: &mut Draft) {
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    if let Some(place) = &item.place {
        draft.put("/place/lat", Key::PlaceLat, Some(Value::Number(place.lat)));
        draft.put("/place/lon", Key::PlaceLon, Some(Value::Number(place.lon)));
        draft.put("/place/accuracy_m", Key::PlaceAccuracy, place.accuracy_m.map(Value::Number));
    }
    if let Some(grade) = &item.grade {
        draft.put("/grade/before", Key::GradeBefore, text(&grade.before));
        draft.put("/grade/after", Key::GradeAfter, text(&grade.after));
    }
    if let Some(repair) = &item.repair {
        let texts = [
            ("product", &repair.product),
            ("category", &repair.category),
            ("brand", &repair.brand),
            ("status", &repair.status),
            ("barrier", &repair.barrier),
            ("problem", &repair.problem),
        ];
        for (name, value) in texts {
            draft.put(&format!("/repair/{name}"), Key::Repair(name), text(value));
        }
        draft.put("/repair/category_id", Key::Repair("category_id"), repair.category_id.map(Value::Integer));
        draft.put("/repair/year", Key::Repair("year"), repair.year.map(Value::Integer));
        draft.put("/repair/age_years", Key::Repair("age_years"), repair.age_years.map(Value::Number));
    }
    if let Some(street) = &item.street {
        draft.put("/street/service_code", Key::Street("service_code"), text(&street.service_code));
        draft.put("/street/fixes_request", Key::Street("fixes_request"), text(&street.fixes_request));
    }
    if let Some(source) = &item.source {
        let texts = [
            ("provider", &source.provider),
            ("id", &source.id),
            ("country", &source.country),
            ("group", &source.group),
        ];
        for (name, value) in texts {
            draft.put(&format!("/source/{name}"), Key::Source(name), text(value));
        }
    }
}
