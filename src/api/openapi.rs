//! The OpenAPI document, from the code: each operation's `security` comes from its handler's principal, and
//! the problems that any operation can answer are added by its shape.

use axum::extract::State;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
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
        }
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

/// What an operation can answer besides its own answers, by its shape.
fn add_problems(path: &str, operation: &mut Operation) {
    if path.starts_with("/oauth/") {
        return;
    }
    let has_security = operation.security.iter().flatten().any(|one| *one != SecurityRequirement::default());
    let has_query = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == utoipa::openapi::path::ParameterIn::Query,
        RefOr::Ref(_) => false,
    });
    let mut statuses = vec![500, 503];
    if has_security {
        statuses.extend([401, 403]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if has_query {
        statuses.push(400);
    }
    if operation.request_body.is_some() {
        statuses.extend([400, 413, 415, 422]);
    }
    for status in statuses {
        let reference = Ref::from_response_name(response_name(status));
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::Ref(reference));
    }
}
