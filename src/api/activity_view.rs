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
pub struct PartyMinutes {
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
