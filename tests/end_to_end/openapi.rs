//! The OpenAPI document against the routes.

use portcullis_tests::{Server, exchange, get};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn documented_and_served_are_the_same() {
    let server = Server::start().await;
    let reply = get(server.address, "/openapi.json", &[]).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    let document = reply.json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 26);
    let operations = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values());
    let mut names: Vec<_> = operations
        .map(|operation| &operation["operationId"])
        .collect();
    names.sort_by_key(|name| name.as_str());
    names.dedup();
    assert_eq!(
        names.len(),
        38,
        "every endpoint has a name of its own: {names:?}"
    );
    for (path, item) in paths {
        let concrete = path
            .replace("{user_id}", "42")
            .replace("{id}", "42")
            .replace("{session_id}", "17")
            .replace("{organisation}", "x")
            .replace("{user}", "42")
            .replace("{operation}", "000102030405060708090a0b0c0d0e0f");
        for method in ["get", "post", "put", "patch", "delete"] {
            let reply = exchange(server.address, &method.to_uppercase(), &concrete, &[], b"").await;
            let documented = item.get(method).is_some();
            assert_eq!(
                reply.status != 405,
                documented,
                "{method} {path}: {}",
                reply.status
            );
            assert_ne!(reply.status, 404, "{method} {path}");
        }
    }
    let deprecated = |path: &str| paths[path]["post"]["deprecated"] == Value::Bool(true);
    assert!(deprecated(
        "/management/v1/users/{user_id}/password/_initialize"
    ));
    assert!(!deprecated("/management/v1/users/{user_id}/password"));
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(portcullis_zitadel_api::OPENAPI).unwrap();
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| walk(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
