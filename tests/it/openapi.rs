//! The OpenAPI document: current, complete, and true to its own examples.

mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::examples::recorder::operations;
use crate::support::{Backend, TestApp};

/// The verbs that operation ids begin with.
const VERBS: [&str; 21] = [
    "close", "compare", "create", "decide", "delete", "download", "edit", "enrol", "get", "issue", "lease",
    "list", "narrow", "preview", "put", "record", "replay", "reply", "revoke", "try", "update",
];
/// Operations named by their verb alone.
const ALONE: [&str; 2] = ["sync", "decide"];

fn document() -> Value {
    serde_json::to_value(daybook::api::document()).expect("a document")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_committed_document_is_the_one_that_the_code_gives() {
    let committed = std::fs::read_to_string(repository().join("openapi/openapi.json")).expect("a document");
    let generated = daybook::api::document().to_pretty_json().expect("a document");
    assert!(
        committed.trim_end() == generated.trim_end(),
        "openapi/openapi.json is not what the code says. Write it anew: make openapi"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    for reference in &references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for group in ["schemas", "responses"] {
        for name in document["components"][group].as_object().expect("components").keys() {
            let reference = format!("#/components/{group}/{name}");
            assert!(references.contains(&reference), "{reference} is never used");
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_made_of_verb_and_noun() {
    let document = document();
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let verb_noun =
            id.split_once('_').is_some_and(|(verb, noun)| VERBS.contains(&verb) && !noun.is_empty());
        assert!(verb_noun || ALONE.contains(&id), "{method} {path} is called {id:?}");
        assert!(seen.insert(id), "{id} names two operations");
    }
    assert!(seen.len() > 30, "{} operations", seen.len());
}

#[test]
fn every_operation_says_what_it_does_who_may_call_it_and_what_can_go_wrong() {
    let document = document();
    let tags: Vec<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    for (_, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.') && summary.len() < 130, "{id}: the summary is {summary:?}");
        assert!(
            operation["tags"]
                .as_array()
                .is_some_and(|of| of.iter().all(|tag| tags.contains(&tag.as_str().unwrap_or_default()))),
            "{id}: tags"
        );
        assert!(operation["security"].as_array().is_some_and(|any| !any.is_empty()), "{id}: security");
        let responses = operation["responses"].as_object().expect("responses");
        for (status, response) in responses {
            let problem = format!("#/components/responses/Problem{status}");
            let own = path.starts_with("/oauth/") || (id == "get_readiness" && status == "503");
            let good = status.starts_with('2') || status.starts_with('3');
            assert!(good || own || response["$ref"] == problem, "{id}: {status} is no problem declared once");
            assert!(!good || response["description"].is_string(), "{id}: {status} has no description");
        }
        for status in ["500", "503"] {
            assert!(responses.contains_key(status), "{id}: {status} is not declared");
        }
        let public = operation["security"] == serde_json::json!([{}]);
        assert!(public || responses.contains_key("401"), "{id}: 401 is not declared");
    }
}

#[test]
fn every_parameter_and_every_field_is_explained() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(explained(&document, property), "{name}.{field} has no description");
        }
    }
    for (_, _, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let named = (&operation["operationId"], &parameter["name"]);
            assert!(parameter["description"].is_string(), "{named:?} has no description");
        }
    }
}

fn explained(document: &Value, property: &Value) -> bool {
    let target =
        property["$ref"].as_str().and_then(|reference| document.pointer(reference.trim_start_matches('#')));
    let choices = property["oneOf"].as_array().into_iter().flatten();
    property["description"].is_string()
        || target.is_some_and(|target| explained(document, target))
        || choices.into_iter().any(|choice| explained(document, choice))
}

#[test]
fn examples_fit_their_schemas_to_the_last_field() {
    let document = document();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (_, _, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let good = operation["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(status, _)| status.starts_with('2'));
        let bodies = good.map(|(_, response)| response).chain([&operation["requestBody"]]);
        for content in
            bodies.filter_map(|body| body["content"].as_object()).flat_map(|content| content.values())
        {
            let Some(example) = content.get("example") else { continue };
            checked += 1;
            schema::Check { document: &document, wrong: &mut wrong }.value(&content["schema"], example, id);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 40, "{checked} examples");
}

#[test]
fn every_link_leads_to_an_operation_and_fills_parameters_that_it_has() {
    let document = document();
    let mut followed = BTreeSet::new();
    for (_, _, operation) in operations(&document) {
        let (id, mut linked) = (&operation["operationId"], false);
        for response in operation["responses"].as_object().into_iter().flat_map(|all| all.values()) {
            for (name, link) in response["links"].as_object().into_iter().flatten() {
                let target =
                    operations(&document).find(|(_, _, other)| other["operationId"] == link["operationId"]);
                let (_, _, target) = target.unwrap_or_else(|| panic!("{id}: {name} leads nowhere"));
                let taken: Vec<&Value> = target["parameters"].as_array().into_iter().flatten().collect();
                for (parameter, value) in link["parameters"].as_object().into_iter().flatten() {
                    assert!(
                        taken.iter().any(|taken| taken["name"] == *parameter),
                        "{id}: {name} has no {parameter}"
                    );
                    let value = value.as_str().expect("an expression");
                    let Some(pointer) = value.strip_prefix("$response.body#") else {
                        let given = value.strip_prefix("$request.path.").expect("of the path");
                        let mut has = operation["parameters"].as_array().into_iter().flatten();
                        assert!(has.any(|has| has["name"] == given), "{id}: {name}");
                        continue;
                    };
                    let schema = &response["content"]["application/json"]["schema"];
                    assert!(holds(&document, schema, pointer), "{id}: no {pointer} in what it answers");
                }
                linked |= name == "next_page";
                followed.insert(name.clone());
            }
        }
        let parameters = operation["parameters"].as_array();
        let paged = parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "after"));
        assert_eq!(linked, paged, "{id}: a list goes on with itself");
    }
    assert!(followed.len() > 20, "{followed:?}");
}

/// Whether a value of this schema has something at this pointer.
fn holds(document: &Value, schema: &Value, pointer: &str) -> bool {
    let reference = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    let schema = reference.and_then(|reference| document.pointer(reference)).unwrap_or(schema);
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().any(|schema| holds(document, schema, pointer));
    }
    let Some(rest) = pointer.strip_prefix('/') else { return !schema.is_null() };
    let (field, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let inner = if field == "0" { &schema["items"] } else { &schema["properties"][field] };
    holds(document, inner, rest)
}

/// Two types of one name would be one schema, and one of them would be documented wrongly.
#[test]
fn no_two_types_share_the_name_of_a_schema() {
    let mut seen = BTreeSet::new();
    for file in sources(&repository().join("src")) {
        let text = std::fs::read_to_string(&file).expect("a source");
        let mut derives = false;
        for line in text.lines() {
            derives |= line.trim_start().starts_with("#[derive(") && line.contains("ToSchema");
            let name = ["pub struct ", "pub enum "].iter().find_map(|word| line.strip_prefix(word));
            let Some(name) = name.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next()) else {
                continue;
            };
            if std::mem::take(&mut derives) {
                assert!(seen.insert(name.to_owned()), "{name} in {} is not the only one", file.display());
            }
        }
    }
    assert!(seen.len() > 50, "{} types", seen.len());
}

/// Routes come into the document by being made with `guarded!`; only the pages for people are none of it, and
/// the metrics, which have a port of their own.
#[test]
fn only_pages_are_routed_around_the_document() {
    let api = repository().join("src/api");
    let outside = [api.join("pages/mod.rs"), api.join("pages/files.rs"), api.join("metrics.rs")];
    for file in sources(&api).into_iter().filter(|file| !outside.contains(file)) {
        let text = std::fs::read_to_string(&file).expect("a source");
        for way in [".route(", "route_service(", ".nest(", "utoipa_axum::routes!("] {
            let allowed = way.starts_with("utoipa_axum") && file == api.join("openapi.rs");
            assert!(allowed || !text.contains(way), "{} in {}", way, file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_operation_is_routed() {
    let app = TestApp::start(Backend::Sqlite).await;
    for (method, path, operation) in operations(&document()) {
        let named = path.split('/').map(|part| if part.starts_with('{') { "0" } else { part });
        let path = named.collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).expect("a method");
        let (status, _) = app.request(method, &path, &[], "").await;
        let id = &operation["operationId"];
        assert!(
            status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED,
            "{id} answers {status}"
        );
        let documented = operation["responses"].get(status.as_str()).is_some();
        assert!(documented, "{id} answers {status}, which the document does not know");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
