//! Files for developers: whole clients to begin from, types, and vectors for an app to test itself with.

use axum::Router;

use super::asset;
use crate::app::App;

const PYTHON: &str = "text/x-python; charset=utf-8";
const TYPESCRIPT: &str = "text/plain; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const JSON: &str = "application/json";

/// Address, media type and text.
pub const FILES: [(&str, &str, &str); 10] = [
    ("/docs/examples/record.py", PYTHON, include_str!("../../../examples/record.py")),
    ("/docs/examples/record.ts", TYPESCRIPT, include_str!("../../../examples/record.ts")),
    ("/docs/types.ts", TYPESCRIPT, include_str!("../../../openapi/types.ts")),
    ("/docs/vectors/README.md", MARKDOWN, include_str!("../../../openapi/vectors/README.md")),
    ("/docs/vectors/readings.json", JSON, include_str!("../../../openapi/vectors/readings.json")),
    ("/docs/vectors/outcomes.json", JSON, include_str!("../../../openapi/vectors/outcomes.json")),
    ("/docs/vectors/cursors.json", JSON, include_str!("../../../openapi/vectors/cursors.json")),
    ("/docs/vectors/reload.json", JSON, include_str!("../../../openapi/vectors/reload.json")),
    ("/docs/vectors/package.json", JSON, include_str!("../../../openapi/vectors/package.json")),
    ("/docs/vectors/run.mjs", JAVASCRIPT, include_str!("../../../openapi/vectors/run.mjs")),
];

/// Their routes.
pub fn routes() -> Router<App> {
    FILES.iter().fold(Router::new(), |routes, (path, kind, text)| routes.route(path, asset(kind, text)))
}
