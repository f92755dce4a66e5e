//! An example for every operation, from `openapi/examples.json`: what is asked and what is answered.

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterBuilder};

/// By operation id: `parameters` by name, `request` and `response`, as JSON. A test holds them to be what the
/// server answers.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi/examples.json")).unwrap_or_default());

/// Adds the examples of an operation.
pub fn add(operation: &mut Operation) {
    let Some(example) = operation.operation_id.as_ref().and_then(|id| EXAMPLES.get(id)) else { return };
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(value) = example.get("parameters").and_then(|values| values.get(&parameter.name))
        {
            *parameter = ParameterBuilder::from(parameter.clone()).example(Some(value.clone())).build();
        }
    }
    if let (Some(RefOr::T(body)), Some(request)) = (&mut operation.request_body, example.get("request")) {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(request.clone());
            }
        }
    }
    let Some(response) = example.get("response") else { return };
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if !status.starts_with('2') {
            continue;
        }
        for (kind, content) in &mut answer.content {
            let RefOr::T(content) = content else { continue };
            content.example = match kind.as_str() {
                "application/octet-stream" => continue,
                "text/event-stream" => Some(streamed(response)),
                _ => Some(response.clone()),
            };
        }
    }
}

/// The same events as a stream says them.
fn streamed(response: &Value) -> Value {
    let items = response["items"].as_array().into_iter().flatten();
    let events = items.map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        format!("id: {}\nevent: {}\ndata: {event}\n\n", text("id"), text("type"))
    });
    events.collect::<String>().into()
}
