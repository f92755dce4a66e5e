//! Editing activities as JSON, for apps without Automerge.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ETAG, IF_MATCH};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::activities::seen;
use super::activity_draft::register;
use super::activity_view::ActivityView;
use super::body::Json;
use super::conditions::names_tag;
use super::error::{ApiError, ApiResult, CHANGE_ID_REUSED, PRECONDITION_FAILED, REFUSED, VERSION_UNKNOWN};
use super::extract::{Resident, scope};
use super::misfits;
use super::params::{Id, IdParam};
use super::types::Instant;
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::draft::Draft;
use crate::domain::ids::{ActivityId, parse_id, read_uuid};
use crate::domain::key::{Key, MEASURES, PLAIN, REPAIR_NUMBERS, REPAIR_TEXTS, SOURCE, STREET};
use crate::domain::limits::{EDIT_FIELDS_MAX, EDIT_NAME_CHARACTERS_SHOWN};
use crate::domain::reading::Value;
use crate::domain::wants::{DIGEST, ITEM};
use crate::flows;
use crate::flows::edit::{Edited, Wanted, edit};

/// An edit of an activity, as of a version of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// A UUID, made and stored by the client before sending: the same again changes nothing.
    #[serde(deserialize_with = "read_uuid")]
    pub change_id: Uuid,
    /// `version` of the activity that the person saw. What was written since is concurrent with this edit, never
    /// overwritten by it.
    #[schema(example = "3-5bb5a4c5", pattern = "^[1-9][0-9]{0,17}-[0-9a-f]{8}$")]
    pub base_version: String,
    #[schema(schema_with = set_schema)]
    pub set: BTreeMap<String, serde_json::Value>,
}

fn set_schema() -> Object {
    let says = "1 to 200 fields by dotted key: `minutes_source`, `place.lat`, `repair.status`, `withdrawn`; \
        `parties.<party id>` or `parties.<party id>@<organisation id>` for minutes; `tallies.<item>`, \
        `tallies.<item>:seen`, `bags` and `weight_g` for this grant's own register, `tallies.<item>#<register>` to \
        correct another; `photos.<sha256>` for the time taken. What `conflicts[].field` shows is a name as well: \
        `party/…`, `tally/…#<register>`, `photo/…`. `null` removes: minutes and counts become 0.";
    let names = ObjectBuilder::new().schema_type(Type::String).pattern(Some(set_names()));
    let values = [Type::String, Type::Number, Type::Boolean, Type::Null];
    ObjectBuilder::new()
        .description(Some(says))
        .min_properties(Some(1))
        .max_properties(Some(EDIT_FIELDS_MAX))
        .property_names(Some(names))
        .additional_properties(Some(ObjectBuilder::new().schema_type(SchemaType::from_iter(values))))
        .build()
}

/// The names that [`document_key`] knows, but for lengths.
fn set_names() -> String {
    const ID: &str = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    const ITEM: &str = r"(?:bags|weight_g|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){1,2}(?::seen)?)";
    let repair = [&REPAIR_TEXTS[..], &REPAIR_NUMBERS[..]].concat().join("|");
    let (street, source) = (STREET.join("|"), SOURCE.join("|"));
    let plain = [&PLAIN[..], &MEASURES[..]].concat().join("|").replace('.', r"\.");
    format!(
        r"^(?:{plain}|repair\.(?:{repair})|street\.(?:{street})|source\.(?:{source})|(?:parties\.|party/){ID}(?:@{ID})?|tallies\.{ITEM}(?:#[\s\S]{{1,100}})?|tally/{ITEM}#[\s\S]{{1,100}}|(?:photos\.|photo/)[0-9a-f]{{64}})$"
    )
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(edit_activity)
}

/// Edit an activity: for apps without an Automerge library.
///
/// It is written as of `base_version`, as a phone that was offline since would have. Different fields merge; where
/// somebody else wrote the same field meanwhile, both values are kept and `conflict` says so. An edit that waited for
/// weeks is never refused for being late.
#[utoipa::path(
    patch, path = "/v1/activities/{id}", tag = "activities", request_body = EditRequest,
    params(IdParam, ("If-Match" = Option<String>, Header, description = "An ETag: answers 412, with the activity as it is now, where something changed.")),
    responses((status = 200, description = "The activity as it is now.", body = ActivityView, headers(("ETag" = String, description = "Names this revision."), ("RateLimit" = String, description = "What the grant may still push, in bytes: `r` are left, `t` seconds until all are."), ("RateLimit-Policy" = String, description = "Out of how many."))))
)]
pub async fn edit_activity(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesWrite>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<EditRequest>,
) -> Response {
    let edited = edited(&app, &caller.access, id, &headers, &body).await;
    super::rate::told(&app, caller.access.grant, edited)
}

async fn edited(
    app: &App,
    access: &Access,
    id: Uuid,
    headers: &HeaderMap,
    body: &EditRequest,
) -> ApiResult<Response> {
    let wanted = wanted(ActivityId(id), body, &register(access.grant))?;
    if let Some(expected) = headers.get(IF_MATCH) {
        let there = flows::edit::own(app.db().read(), access, wanted.id).await?;
        let (_, present) = seen(app, access, &there).await?;
        // Who lost the answer comes with the tag from before their own edit.
        let written = flows::edit::is_written(app, &there, &wanted).await?;
        if !written && !names_tag(expected, &present.etag) {
            let failed = ApiError::from(PRECONDITION_FAILED).header(ETAG, &present.etag);
            let may_read = access.scopes.has(Scope::ActivitiesRead);
            return Err(if may_read { failed.present(&present) } else { failed });
        }
    }
    let row = match edit(app, access, &wanted).await? {
        Edited::Done(row) => row,
        Edited::ChangeIdReused => return Err(CHANGE_ID_REUSED.into()),
        Edited::VersionUnknown => return Err(VERSION_UNKNOWN.into()),
        Edited::Refused(code, detail) => return Err(ApiError::new(REFUSED, format!("{code}: {detail}"))),
    };
    let (tag, seen) = seen(app, access, &row).await?;
    Ok(([(ETAG, tag)], axum::Json(seen)).into_response())
}

fn wanted(id: ActivityId, body: &EditRequest, register: &str) -> ApiResult<Wanted> {
    if body.set.is_empty() || body.set.len() > EDIT_FIELDS_MAX {
        let detail = format!("At /set: 1 to {EDIT_FIELDS_MAX} fields at a time.");
        return Err(ApiError::field("/set", "count", detail));
    }
    let base = body.base_version.parse().map_err(|_| {
        ApiError::field(
            "/base_version",
            "invalid",
            "At /base_version: a version as the activity shows it, 3-5bb5a4c5.",
        )
    })?;
    let draft = draft(&body.set, register);
    if let Some((detail, errors)) = misfits::told("", &draft.misfits) {
        return Err(ApiError::fields(detail, errors));
    }
    let said = serde_json::to_vec(body).map_err(flows::FlowError::internal)?;
    Ok(Wanted { id, change_id: body.change_id, base, body: Sha256::digest(said).into(), draft })
}

fn draft(set: &BTreeMap<String, serde_json::Value>, register: &str) -> Draft {
    let mut draft = Draft::default();
    for (name, value) in set {
        // No key is that long: a name that is goes back cut off.
        let shown: String = name.chars().take(EDIT_NAME_CHARACTERS_SHOWN).collect();
        let pointer = format!("/set/{}", shown.replace('~', "~0").replace('/', "~1"));
        let key = (shown.len() == name.len()).then(|| document_key(name, register)).flatten();
        let Some(key) = key else {
            draft.misfit(
                &pointer,
                "unknown_field",
                format!("no field has this name; expected {}", meant(name)),
            );
            continue;
        };
        let key = Key::parse(&key);
        match (value, plain(&key, value)) {
            (serde_json::Value::Null, _) => draft.clear(&pointer, key),
            (_, Some(value)) => draft.put(&pointer, key, Some(value)),
            (_, None) => draft.misfit(&pointer, "wrong_type", format!("expected {}", key.wants())),
        }
    }
    draft
}

/// The document's key of a dotted one or of itself, where it is one that apps write.
fn document_key(name: &str, register: &str) -> Option<String> {
    let of_document = ["party/", "tally/", "photo/"].iter().any(|family| name.starts_with(family));
    let key = match name.split_once('.') {
        _ if of_document => name.to_owned(),
        None if MEASURES.contains(&name) => format!("tally/{name}#{register}"),
        Some(("parties", party)) => format!("party/{party}"),
        Some(("tallies", item)) if item.contains('#') => format!("tally/{item}"),
        Some(("tallies", item)) => format!("tally/{item}#{register}"),
        Some(("photos", digest)) => format!("photo/{digest}"),
        _ => name.to_owned(),
    };
    (!matches!(Key::parse(&key), Key::Unknown(_))).then_some(key)
}

/// The names that one which is none may have meant: those of its family, or all there are.
fn meant(name: &str) -> String {
    let family = name.split(['.', '/']).next().unwrap_or_default();
    let fields = |fields: &[&str]| {
        let names: Vec<String> = fields.iter().map(|field| format!("{family}.{field}")).collect();
        names.join(", ")
    };
    match family {
        "party" | "parties" => {
            "parties.<party id> or parties.<party id>@<organisation id>, lower-case UUIDs".to_owned()
        }
        "tally" | "tallies" => {
            format!("tallies.<item>, tallies.<item>:seen or tallies.<item>#<register>, an item being {ITEM}")
        }
        "photo" | "photos" => format!("photos.<sha256>, {DIGEST}"),
        "repair" => fields(&[&REPAIR_TEXTS[..], &REPAIR_NUMBERS[..]].concat()),
        "street" => fields(&STREET),
        "source" => fields(&SOURCE),
        "place" | "grade" => {
            let inside = |name: &&str| name.strip_prefix(family).is_some_and(|rest| rest.starts_with('.'));
            PLAIN.iter().copied().filter(inside).collect::<Vec<_>>().join(", ")
        }
        _ => format!(
            "one of {}, or a name in repair, street, source, parties, tallies or photos, as repair.status",
            [&PLAIN[..], &MEASURES[..]].concat().join(", ")
        ),
    }
}

fn plain(key: &Key<'_>, value: &serde_json::Value) -> Option<Value> {
    match (key, value) {
        (Key::StartedAt | Key::Photo(_), value) => {
            serde_json::from_value(value.clone()).ok().map(|Instant(at_ms)| Value::Instant(at_ms))
        }
        (Key::PartOf | Key::Confirms, serde_json::Value::String(text)) => {
            parse_id(text).map(|_| Value::Text(text.clone()))
        }
        (_, serde_json::Value::String(text)) => Some(Value::Text(text.clone())),
        (_, serde_json::Value::Bool(flag)) => Some(Value::Boolean(*flag)),
        (_, serde_json::Value::Number(number)) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Number))
        }
        _ => None,
    }
}
