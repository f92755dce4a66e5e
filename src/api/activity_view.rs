//! An activity as JSON: the flat document, made comfortable. `activity_reading` fills it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::Instant;
use crate::domain::activity::{Kind, Phase};
use crate::domain::ids::{ActivityId, DaybookId, DeviceId, GrantId, PartyId};
use crate::domain::reading::Unreadable;
use crate::domain::review::{Conflict, Review};

/// An activity with what is judged of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActivityView {
    pub id: ActivityId,
    pub daybook_id: DaybookId,
    /// The party whose daybook it is. Where two parties were made one it becomes the one that stays, which changes
    /// `etag` and no `revision`.
    pub party_id: PartyId,
    /// Who wrote it down, where that is another: a member, in the daybook of a group; or a coordinator,
    /// on behalf of somebody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded_by: Option<PartyId>,
    /// Absent while it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Kind>,
    /// The civil day that the person means.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-21")]
    pub day: Option<String>,
    /// When it began, by the phone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Instant>,
    /// `clocked`, `recalled` or `estimated`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minutes_source: Option<String>,
    pub phase: Phase,
    /// What the person wrote, at most 2,000 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Who gave how many minutes.
    pub parties: Vec<PartyMinutes>,
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
    /// Bags filled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bags: Option<i64>,
    /// Grams.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight_g: Option<i64>,
    /// Where it happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<PlaceView>,
    /// A place of the neighbourhood.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place_id: Option<String>,
    /// Cleanliness before and after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grade: Option<GradeView>,
    /// What was repaired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repair: Option<RepairView>,
    /// What was fixed in the street.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub street: Option<StreetView>,
    /// Where it was imported from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourceView>,
    /// Photos that the record names.
    pub photos: Vec<PhotoView>,
    /// The service or project that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub programme: Option<String>,
    /// The planned action that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
    /// The occasion that it is part of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part_of: Option<ActivityId>,
    /// The activity that its recorder confirms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirms: Option<ActivityId>,
    /// Taken back by its recorder.
    pub withdrawn: bool,
    /// Keys of the document that this version of the server does not know, as they are.
    #[schema(value_type = HashMap<String, serde_json::Value>)]
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
    /// What a coordinator said counts in some of them, until a phone writes the field again. `conflict` leaves them
    /// out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    #[schema(value_type = HashMap<String, serde_json::Value>)]
    pub settled: BTreeMap<String, serde_json::Value>,
    /// This record counts as part of that one, which it was merged into.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merged_into: Option<ActivityId>,
    /// The records that were merged into this one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub members: Vec<ActivityId>,
    /// Approved by a rule, and chosen at random for a person to look at.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub audit: bool,
    /// How much was said about it: `GET /v1/activities/{id}/replies`.
    #[serde(skip_serializing_if = "is_none", default)]
    pub replies: i64,
    /// `<number>-<8 hex>`: names exactly this reading, and says nothing about it.
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

fn is_none(count: &i64) -> bool {
    *count == 0
}

/// Minutes of one party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartyMinutes {
    /// Who gave them.
    pub party_id: PartyId,
    /// The organisation that the party acted for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organisation_id: Option<PartyId>,
    /// 0 to 1,440; 0 means that the party is taken off.
    pub minutes: i64,
}

/// A count of one item.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// What was counted: `category.object.type`.
    #[schema(example = "smoking.butts")]
    pub item: String,
    /// Only seen, not picked up.
    pub seen: bool,
    /// The sum of the registers.
    pub count: i64,
    /// What each phone counted.
    pub registers: Vec<RegisterView>,
}

/// One phone's own count.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisterView {
    /// Names the phone; each makes its own.
    pub register: String,
    /// What this phone counted.
    pub count: i64,
}

/// A place, WGS84.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlaceView {
    /// Degrees north. Rounded to about 100 m without the scope `places:exact`.
    pub lat: f64,
    /// Degrees east. Rounded to about 100 m without the scope `places:exact`.
    pub lon: f64,
    /// Metres.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_m: Option<f64>,
}

/// Cleanliness grades A to D before and after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GradeView {
    /// `A` (clean) to `D` (heavily littered).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// `A` (clean) to `D` (heavily littered).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
}

/// A repair, in the terms of the Open Repair Data Standard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepairView {
    /// What it is, in the words of its owner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<String>,
    /// Product category, by name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category: Option<String>,
    /// Product category, by number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category_id: Option<i64>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub brand: Option<String>,
    /// Year of manufacture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub year: Option<i64>,
    /// Age in years.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_years: Option<f64>,
    /// `Fixed`, `Repairable`, `End of life` or `Unknown`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
    /// Why it could not be fixed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub barrier: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// A street fix, in the terms of Open311.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreetView {
    /// Open311 service code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_code: Option<String>,
    /// The Open311 request that it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixes_request: Option<String>,
}

/// Where an imported record comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// Who provided it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// Its id there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Country, ISO 3166 alpha-3.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,
    /// The group that recorded it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
}

/// A photo that the record names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PhotoView {
    /// SHA-256 of the photo, in hex.
    pub sha256: String,
    /// By the phone.
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
    /// Names what phones wrote, for `settle`; absent in lists.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub operations: Vec<String>,
}

/// One of the surviving values, with who wrote it and the three times: when it happened, was written and was received.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConflictValue {
    /// As the activity would show it.
    pub value: serde_json::Value,
    /// The grant that brought it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant_id: Option<GrantId>,
    /// The device that brought it; absent in lists, and where no device did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_id: Option<DeviceId>,
    /// When what it says happened, by the person: the activity's `occurred`, since a record has one, which merges as any
    /// field does. Of `started_at` itself the very value, and then absent in the other fields: which of the starts goes
    /// with which of their values nobody can tell. Absent where the record gives no more than a day, too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occurred: Option<Instant>,
    /// The phone's clock when it was written; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded_at: Option<Instant>,
    /// When the server received it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received_at: Option<Instant>,
}
