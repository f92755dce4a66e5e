//! Writes down what goes through the router: for each operation the last request that was answered well,
//! or the one that the story keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response};
use daybook::phone::{InProcess, NoAnswer, Transport};
use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Reaches the router in the same process, and remembers.
#[derive(Clone)]
pub struct Recorder {
    router: InProcess,
    document: Arc<Value>,
    examples: Arc<Mutex<BTreeMap<String, Value>>>,
    kept: Arc<Mutex<BTreeSet<String>>>,
}

/// Every operation of a document: method, path, operation.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let of_item = METHODS.into_iter().map(move |method| (method, path.as_str(), &item[method]));
        of_item.filter(|(_, _, operation)| !operation.is_null())
    })
}

impl Recorder {
    pub fn new(router: axum::Router) -> Self {
        let document = serde_json::to_value(daybook::api::document()).expect("a document");
        Self {
            router: InProcess(router),
            document: Arc::new(document),
            examples: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// By operation id.
    pub fn examples(&self) -> Value {
        json!(*self.examples.lock().expect("nobody panicked"))
    }

    /// What the operation answered last stays its example.
    pub fn keep(&self, operation_id: &str) {
        self.kept.lock().expect("nobody panicked").insert(operation_id.to_owned());
    }

    fn remember(&self, request: &Request<Vec<u8>>, response: &Response<Vec<u8>>) {
        let method = request.method().as_str().to_ascii_lowercase();
        let found = operations(&self.document)
            .filter(|(of, _, _)| *of == method)
            .find_map(|(_, template, operation)| Some((operation, bound(template, request.uri().path())?)));
        let (operation, mut parameters) = found.expect("a route of the document");
        for pair in request.uri().query().into_iter().flat_map(|query| query.split('&')) {
            let (name, text) = pair.split_once('=').expect("a name and a value");
            parameters.insert(name.to_owned(), parameter(&text.replace("%2C", ",")));
        }
        let documented = |name: &str| {
            operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|parameter| parameter["name"] == name)
        };
        for name in ["DPoP", "If-Match"] {
            if let Some(sent) = request.headers().get(name).filter(|_| documented(name)) {
                parameters.insert(name.to_owned(), json!(sent.to_str().expect("text")));
            }
        }
        let mut example = Map::new();
        if !parameters.is_empty() {
            example.insert("parameters".to_owned(), Value::Object(parameters));
        }
        for (name, headers, body) in [
            ("request", request.headers(), request.body()),
            ("response", response.headers(), response.body()),
        ] {
            if let Some(body) = read(headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()), body) {
                example.insert(name.to_owned(), body);
            }
        }
        let mut example = Value::Object(example);
        tidy(&mut example);
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        if !self.kept.lock().expect("nobody panicked").contains(&id) {
            self.examples.lock().expect("nobody panicked").insert(id, example);
        }
    }
}

impl Transport for Recorder {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let response = self.router.send(request.clone()).await?;
        if response.status().is_success() {
            self.remember(&request, &response);
        }
        Ok(response)
    }
}

/// The values of a path template's parameters, where the path is one of it.
fn bound(template: &str, path: &str) -> Option<Map<String, Value>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let mut parameters = Map::new();
    for (wanted, given) in wanted.iter().zip(&given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => _ = parameters.insert(name.to_owned(), parameter(given)),
            None if wanted != given => return None,
            None => {}
        }
    }
    (wanted.len() == given.len()).then_some(parameters)
}

fn parameter(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// A body in JSON, or a form as an object.
fn read(kind: Option<&str>, body: &[u8]) -> Option<Value> {
    match kind? {
        "application/json" => Some(serde_json::from_slice(body).expect("JSON")),
        "application/x-www-form-urlencoded" => {
            let text = std::str::from_utf8(body).expect("text");
            Some(
                text.split('&')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(name, text)| (name, json!(text)))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Signatures are drawn at random by the cryptographic library: they are left out, so that nothing differs
/// from one telling to the next. Of the OpenAPI document only the beginning is an example.
fn tidy(value: &mut Value) {
    match value {
        Value::String(text) => {
            let parts: Vec<&str> = text.split('.').collect();
            if let [header, claims, _] = parts[..]
                && header.starts_with("eyJ")
            {
                *text = format!("{header}.{claims}.the-signature");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            if fields.contains_key("openapi") {
                fields.retain(|name, _| name == "openapi" || name == "info");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
