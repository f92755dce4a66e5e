//! One operation of the document, and what its shape says about it.

use axum::http::Method;
use daybook::api::extract::OPERATOR_SCHEME;
use serde_json::Value;

/// Ids in the bodies of these name nothing that is made.
const NO_CREATES: [(&str, &str); 1] = [("preview_decisions", "nothing is written")];

/// One operation of the document.
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With its parameters in braces.
    pub path: String,
    /// As the document has it, with all references followed.
    pub spec: Value,
}

/// All operations of the document.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(daybook::api::document()).expect("a document");
    let found = crate::examples::recorder::operations(&document).map(|(method, path, spec)| Operation {
        id: spec["operationId"].as_str().expect("an id").to_owned(),
        method: method.to_uppercase().parse().expect("a method"),
        path: path.to_owned(),
        spec: resolved(&document, spec, 0),
    });
    found.collect()
}

/// Follows references, to where the shape of a body is told.
fn resolved(document: &Value, value: &Value, depth: usize) -> Value {
    if depth > 24 {
        return Value::Null;
    }
    match value {
        Value::Object(fields) => match fields.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let target = document.pointer(reference.trim_start_matches('#')).expect("a component");
                resolved(document, target, depth + 1)
            }
            None => fields
                .iter()
                .filter(|(name, _)| *name != "links" && *name != "example")
                .map(|(name, field)| (name.clone(), resolved(document, field, depth + 1)))
                .collect(),
        },
        Value::Array(items) => items.iter().map(|item| resolved(document, item, depth + 1)).collect(),
        plain => plain.clone(),
    }
}

impl Operation {
    /// Whether the operator calls it.
    pub fn is_operators(&self) -> bool {
        self.schemes().any(|scheme| scheme == OPERATOR_SCHEME)
    }

    /// Whether anybody may call it.
    pub fn is_public(&self) -> bool {
        self.schemes().next().is_none()
    }

    fn requirements(&self) -> impl Iterator<Item = (&String, &Value)> {
        let any = self.spec["security"].as_array().into_iter().flatten();
        any.filter_map(Value::as_object).flatten()
    }

    fn schemes(&self) -> impl Iterator<Item = &str> {
        self.requirements().map(|(scheme, _)| scheme.as_str())
    }

    /// The scope that it needs.
    pub fn scope(&self) -> Option<&str> {
        self.requirements().find_map(|(_, scopes)| scopes[0].as_str())
    }

    /// Whether it answers pages.
    pub fn is_list(&self) -> bool {
        let page = &self.spec["responses"]["200"]["content"]["application/json"]["schema"]["properties"];
        self.method == Method::GET && page["items"]["type"] == "array" && !page["next"].is_null()
    }

    /// Whether it changes something, as far as its method says.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether it makes something under an id of the client's, alone or in a batch.
    pub fn is_create(&self) -> bool {
        let body = &self.spec["requestBody"]["content"]["application/json"]["schema"]["properties"];
        let item = &body["items"]["items"];
        let named = !body["id"].is_null() || has_property(item, "id");
        let creates = !NO_CREATES.iter().any(|(id, _)| *id == self.id);
        self.method == Method::POST && named && creates
    }

    /// Whether its request has a body of this type.
    pub fn takes(&self, kind: &str) -> bool {
        !self.spec["requestBody"]["content"][kind].is_null()
    }

    /// Names of the parameters in its path, with the part before each.
    pub fn path_parameters(&self) -> Vec<(&str, &str)> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let pairs = parts.windows(2).filter_map(|pair| Some((pair[0], braced(pair[1])?)));
        pairs.collect()
    }

    /// The path with something for each parameter, by the part before it and its name.
    pub fn filled(&self, mut with: impl FnMut(&str, &str) -> String) -> String {
        let mut before = "";
        let parts = self.path.split('/').map(|part| {
            let filled = braced(part).map_or_else(|| part.to_owned(), |name| with(before, name));
            before = part;
            filled
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Whether it says that it may answer so.
    pub fn documents(&self, status: u16) -> bool {
        !self.spec["responses"][status.to_string()].is_null()
    }
}

fn braced(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// Whether a value of this schema has the property, in whatever way the schema is put together.
fn has_property(schema: &Value, name: &str) -> bool {
    let parts = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|way| schema[way].as_array()).flatten();
    !schema["properties"][name].is_null() || parts.into_iter().any(|part| has_property(part, name))
}
