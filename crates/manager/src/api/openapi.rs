//! `GET /openapi.json`: every route, as programs read it.
//!
//! Made once at start from the table that the router is made from. Answers are described as far as
//! all share a shape; events have JSON Schemas of their own.

use std::sync::Arc;

use axum::{Extension, Json};
use printery_events::{Family, schemas};
use serde_json::{Map, Value, json};

use crate::api::access::Need;
use crate::api::route::Route;

/// The document, made once.
pub(crate) type Document = Arc<Value>;

/// Answers `GET /openapi.json`.
pub(crate) async fn openapi(Extension(document): Extension<Document>) -> Json<Value> {
    Json(document.as_ref().clone())
}

/// Describes a table of routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    let data: Map<String, Value> = Family::ALL
        .iter()
        .map(|family| (component(family.pattern()), schemas::schema(*family)))
        .collect();
    let mut schemas = data;
    schemas.insert("Error".to_owned(), error_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "printery-workers",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On a loopback address nobody needs a token; on any other one every \
                            operation does that names a role in x-role.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2).map(
        |name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
    );
    let in_query = route.query.iter().map(|(name, what)| {
        json!({
            "name": name, "in": "query", "required": false, "description": what,
            "schema": {"type": "string"},
        })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let refusal = json!({
        "description": "refused",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let mut shown = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters,
        "responses": {
            route.status.to_string(): {
                "description": "done", "content": {route.gives: {"schema": {}}},
            },
            "default": refusal,
        },
    });
    let Some(object) = shown.as_object_mut() else { return shown };
    if route.need != Need::Nothing {
        object.insert("security".to_owned(), json!([{"token": []}]));
        object.insert("x-role".to_owned(), json!(route.need.as_str()));
    }
    if !route.takes.is_empty() {
        let kinds: Map<String, Value> =
            route.takes.iter().map(|kind| ((*kind).to_owned(), json!({"schema": {}}))).collect();
        object.insert("requestBody".to_owned(), json!({"content": kinds}));
    }
    shown
}

/// `get_api_workers_worker`: unique, because method and path are.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = std::iter::once(route.method).chain(words.filter(|word| !word.is_empty()));
    words.collect::<Vec<_>>().join("_")
}

/// A name that `OpenAPI` allows: `deployment.stage.stage.started`.
fn component(pattern: &str) -> String {
    pattern.replace(':', ".").replace(['<', '>'], "")
}

fn error_schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["success", "error", "timestamp"],
        "properties": {
            "success": {"const": false},
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": text, "message": text, "details": {}},
            },
            "timestamp": {"type": "string", "format": "date-time"},
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::table::table;

    #[test]
    fn the_document_has_every_route_once_under_a_name_of_its_own() {
        let routes = table();
        let document = document(&routes);
        let paths = document["paths"].as_object().unwrap();
        let operations: Vec<&Value> =
            paths.values().flat_map(|methods| methods.as_object().unwrap().values()).collect();
        assert_eq!(operations.len(), routes.len(), "no method of a path stands there twice");
        let names: BTreeSet<&str> =
            operations.iter().map(|one| one["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), routes.len());
        let worker = &document["paths"]["/api/workers/{worker}"]["get"];
        assert_eq!(worker["parameters"][0]["name"], "worker");
        assert_eq!(worker["x-role"], "viewer");
        assert!(document["paths"]["/health"]["get"].get("security").is_none());
    }

    #[test]
    fn nothing_is_routed_past_the_table() {
        let source = include_str!("mod.rs");
        assert!(!source.contains(".route("), "a route belongs into api/table.rs");
    }
}
