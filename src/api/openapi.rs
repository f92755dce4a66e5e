//! The OpenAPI document, from the code: each operation's `security` comes from its handler's principal, and
//! the problems that any operation can answer are added by its shape.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{ArrayItems, OneOf, Schema};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::error::{CODES, FieldError, Problem};
use super::extract::Principal;
use crate::app::App;

/// A handler whose second argument says who may call it.
pub trait Handles<Args> {
    /// See [`Principal::security`].
    fn security(&self) -> Vec<SecurityRequirement>;
}

macro_rules! handles {
    ($($arg:ident),*) => {
        impl<F, R, P, $($arg),*> Handles<(P, $($arg,)*)> for F
        where
            F: Fn(State<App>, P, $($arg),*) -> R,
            P: Principal,
        {
            fn security(&self) -> Vec<SecurityRequirement> {
                P::security()
            }
        }
    };
}

handles!();
handles!(A);
handles!(A, B);
handles!(A, B, C);

/// The requirements of a handler.
pub fn security_of<Args>(handler: &impl Handles<Args>) -> Vec<SecurityRequirement> {
    handler.security()
}

/// Handlers of one path as routes, each operation with the security that its principal needs.
macro_rules! guarded {
    ($($handler:ident),+ $(,)?) => {
        $crate::api::openapi::secured(
            utoipa_axum::routes!($($handler),+),
            &[$((stringify!($handler), $crate::api::openapi::security_of(&$handler))),+],
        )
    };
}
pub(crate) use guarded;

/// See [`guarded`].
#[must_use]
pub fn secured(
    (schemas, mut paths, methods): UtoipaMethodRouter<App>,
    securities: &[(&str, Vec<SecurityRequirement>)],
) -> OpenApiRouter<App> {
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            let found = securities.iter().find(|(name, _)| operation.operation_id.as_deref() == Some(name));
            operation.security = found.map(|(_, security)| security.clone());
        }
    }
    OpenApiRouter::new().routes((schemas, paths, methods))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head]
        .into_iter()
        .flatten()
}

/// Finishes the document once all routes are in it.
pub fn finish(document: &mut OpenApi) {
    add_components(document);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            add_problems(path, operation);
            super::examples::add(operation);
            super::links::add(path, operation);
            super::deprecated::mark(super::deprecated::LEAVING, operation);
            free_counts(operation);
            for response in operation.responses.responses.values_mut() {
                name_pages(response);
            }
        }
    }
    shape_pages(document);
    spread_choices(document);
    drop_unused_problems(document);
}

/// A page may be asked to be of any size ([`super::params::count`]): no format bounds it.
fn free_counts(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "limit"
            && let Some(RefOr::T(Schema::Object(count))) = &mut parameter.schema
        {
            count.format = None;
        }
    }
}

/// `Page_ActivityView`, as the generic type is called, becomes `ActivityPage`.
fn page_name(name: &str) -> Option<String> {
    let item = name.strip_prefix("Page_")?;
    Some(format!("{}Page", item.strip_suffix("View").unwrap_or(item)))
}

fn name_pages(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    for content in response.content.values_mut() {
        if let RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) = content
            && let Some(name) = reference.ref_location.rsplit('/').next().and_then(page_name)
        {
            *reference = Ref::from_schema_name(name);
        }
    }
}

/// Pages name the schema of their items instead of repeating it.
fn shape_pages(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let pages: Vec<String> =
        components.schemas.keys().filter(|name| page_name(name).is_some()).cloned().collect();
    for page in pages {
        let (Some(name), Some(mut schema)) = (page_name(&page), components.schemas.remove(&page)) else {
            continue;
        };
        if let RefOr::T(Schema::Object(object)) = &mut schema
            && let Some(RefOr::T(Schema::Array(items))) = object.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(
                Ref::from_schema_name(page.trim_start_matches("Page_")).into(),
            ));
        }
        components.schemas.insert(name, schema);
    }
}

/// A choice with fields beside it (`allOf` of a `oneOf` and an object) becomes a choice of wholes: generators of clients
/// do not understand the former.
fn spread_choices(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let choices: BTreeMap<String, OneOf> = components
        .schemas
        .iter()
        .filter_map(|(name, schema)| match schema {
            RefOr::T(Schema::OneOf(choice)) => Some((name.clone(), choice.clone())),
            _ => None,
        })
        .collect();
    let mut spread_out = BTreeSet::new();
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::AllOf(all)) = schema else { continue };
        let chosen = all.items.iter().position(|item| choice_of(item, &choices).is_some());
        let Some((at, choice)) = chosen.and_then(|at| Some((at, choice_of(&all.items[at], &choices)?)))
        else {
            continue;
        };
        let mut spread = OneOf { description: all.description.clone(), ..OneOf::new() };
        for variant in &choice.items {
            let mut whole = all.clone();
            (whole.items[at], whole.description) = (variant.clone(), None);
            spread.items.push(RefOr::T(Schema::AllOf(whole)));
        }
        if let RefOr::Ref(reference) = &all.items[at] {
            spread_out.extend(reference.ref_location.rsplit('/').next().map(str::to_owned));
        }
        *schema = RefOr::T(Schema::OneOf(spread));
    }
    let whole = serde_json::to_string(document).unwrap_or_default();
    let is_named = |name: &str| whole.contains(&format!("\"#/components/schemas/{name}\""));
    if let Some(components) = &mut document.components {
        components.schemas.retain(|name, _| !spread_out.contains(name) || is_named(name));
    }
}

fn choice_of<'a>(item: &RefOr<Schema>, choices: &'a BTreeMap<String, OneOf>) -> Option<&'a OneOf> {
    let RefOr::Ref(reference) = item else { return None };
    choices.get(reference.ref_location.rsplit('/').next()?)
}

/// A status that no operation names is left out.
fn drop_unused_problems(document: &mut OpenApi) {
    let mut used = BTreeSet::new();
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            used.extend(operation.responses.responses.values().filter_map(|response| match response {
                RefOr::Ref(reference) => reference.ref_location.rsplit('/').next().map(str::to_owned),
                RefOr::T(_) => None,
            }));
        }
    }
    if let Some(components) = &mut document.components {
        components.responses.retain(|name, _| used.contains(name));
    }
}

fn add_components(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = Http::new(HttpAuthScheme::Bearer);
    let phone = ApiKey::Header(ApiKeyValue::with_description(
        "Authorization",
        "`DPoP` and an access token, with a proof of the device's key in the DPoP header of each request (RFC 9449).",
    ));
    components.security_schemes.insert("phone".to_owned(), SecurityScheme::ApiKey(phone).into());
    let schemes = [
        ("token", bearer.clone(), "Personal token, made with POST /v1/grants."),
        ("operator", bearer, "Token of whoever runs the server (DAYBOOK_OPERATOR_TOKEN)."),
    ];
    for (name, mut scheme, description) in schemes {
        scheme.description = Some(description.to_owned());
        components.security_schemes.insert(name.to_owned(), SecurityScheme::Http(scheme).into());
    }
    for (name, schema) in [schema_of::<Problem>(), schema_of::<FieldError>()] {
        components.schemas.insert(name, schema);
    }
    for status in statuses() {
        let here = CODES.iter().filter(|code| code.status == status);
        let list: Vec<String> = here.map(|code| format!("`{}`: {}", code.code, code.title)).collect();
        let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description(list.join(". "))
            .content("application/problem+json", content)
            .build();
        components.responses.insert(response_name(status), RefOr::T(response));
    }
}

fn schema_of<T: utoipa::ToSchema>() -> (String, RefOr<utoipa::openapi::schema::Schema>) {
    (T::name().into_owned(), T::schema())
}

fn statuses() -> impl Iterator<Item = u16> {
    let mut statuses: Vec<u16> = CODES.iter().map(|code| code.status).collect();
    statuses.dedup();
    statuses.into_iter()
}

fn response_name(status: u16) -> String {
    format!("Problem{status}")
}

/// What single operations answer besides what their shape says.
const FURTHER: &[(&str, &[u16])] = &[
    ("enrol_device", &[401, 404, 409]),
    ("create_invitation", &[403, 404, 409]),
    ("create_grant", &[409]),
    ("narrow_grant", &[403, 412, 428]),
    ("revoke_grant", &[403]),
    ("update_device", &[403, 412, 428]),
    ("revoke_device", &[403]),
    ("create_party", &[409]),
    ("update_party", &[412, 428]),
    ("put_alias", &[409]),
    ("put_member", &[409]),
    ("put_role", &[409]),
    ("delete_role", &[409]),
    ("close_account", &[409]),
    ("reply_to_activity", &[409]),
    ("lease_card", &[409]),
    ("preview_decisions", &[404]),
    ("decide", &[409]),
    ("put_rules", &[409]),
    ("put_clock", &[409]),
    ("create_neighbourhood", &[409]),
    ("create_daybook", &[404, 409, 410]),
    ("download_daybook", &[410, 416]),
    ("list_activities", &[404]),
    ("list_held", &[404]),
    ("list_entries", &[404]),
    ("get_account", &[422]),
    ("get_totals", &[404, 422]),
    ("create_period", &[409]),
    ("list_outcomes", &[410]),
    ("get_security_contact", &[404]),
    ("sync", &[429]),
    ("edit_activity", &[409, 410, 412, 429]),
    ("list_events", &[410, 429]),
];

/// What an operation can answer besides its own answers: by its shape, and by [`FURTHER`].
fn add_problems(path: &str, operation: &mut Operation) {
    if path.starts_with("/oauth/") {
        return;
    }
    let requirements = operation.security.iter().flatten();
    let guarded = requirements.clone().any(|one| *one != SecurityRequirement::default());
    let scoped = requirements.clone().any(|one| serde_json::to_value(one).is_ok_and(|one| names_scope(&one)));
    let has_query = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    });
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let further = FURTHER.iter().filter(|(name, _)| *name == id).flat_map(|(_, statuses)| *statuses);
    let mut statuses: Vec<u16> = further.copied().collect();
    statuses.extend([500, 503]);
    let mut shape = |applies: bool, more: &[u16]| statuses.extend(more.iter().filter(|_| applies));
    shape(guarded, &[401]);
    shape(scoped, &[403]);
    shape(path.contains('{'), &[404]);
    shape(has_query, &[400]);
    shape(operation.request_body.is_some(), &[400, 413, 415, 422]);
    // Whatever the operation, a Content-Encoding that is not known here is refused before it.
    shape(!guarded && operation.request_body.is_none(), &[415]);
    for status in statuses {
        let reference = Ref::from_response_name(response_name(status));
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::Ref(reference));
    }
}

fn names_scope(requirement: &serde_json::Value) -> bool {
    let scopes = requirement.as_object().into_iter().flat_map(|schemes| schemes.values());
    scopes.filter_map(|scopes| scopes.as_array()).any(|scopes| !scopes.is_empty())
}
