//! Who was removed stays removed, whatever the bootstrap file says.

use portcullis_tests::{ADMIN, ORG, exchange};

use crate::store::Store;

on_stores! {
    a_restart_brings_nobody_back: sqlite postgres redis cluster;
}

async fn a_restart_brings_nobody_back(store: Store) {
    let mut server = store.serve().await;
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str())];
    let path = "/management/v1/users/42";
    let reply = exchange(server.address, "DELETE", path, &headers, b"").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let removed = server.inspect(ORG, "42").await;
    server.kill_and_restart().await;
    assert_eq!(server.inspect(ORG, "42").await, removed);
    let reply = exchange(server.address, "GET", path, &headers, b"").await;
    assert_eq!(reply.status, 404, "{}", reply.text());
}
