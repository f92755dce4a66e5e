//! An example for every operation, from `openapi/examples.json`: what is asked and what is answered.

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

/// By operation id: `request` and `response`, as JSON.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi/examples.json")).unwrap_or_default());

/// Adds the examples of an operation.
pub fn add(operation: &mut Operation) {
    let Some(example) = operation.operation_id.as_ref().and_then(|id| EXAMPLES.get(id)) else { return };
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
            if let RefOr::T(content) = content
                && kind != "application/octet-stream"
            {
                content.example = Some(response.clone());
            }
        }
    }
}
