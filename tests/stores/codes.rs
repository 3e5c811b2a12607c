//! A reset that is asked for again has the same code, whichever server answers.

use portcullis_tests::{ADMIN, BOOTSTRAP, Options, Server, exchange};

use crate::store::Store;

on_stores! {
    servers_with_one_secret_make_one_code: sqlite postgres redis cluster;
}

async fn servers_with_one_secret_make_one_code(store: Store) {
    let secret = "0123456789abcdef0123456789abcdef";
    let instance = format!("[instance]\nsecret = \"{secret}\"\n");
    let [one, other] = reset_twice(store, &instance).await;
    assert_eq!(one, other);
}

/// Without one, each makes codes of its own, and only the first of them is good.
#[tokio::test(flavor = "multi_thread")]
async fn servers_without_a_secret_make_different_codes() {
    let [one, other] = reset_twice(Store::Sqlite, "").await;
    assert_ne!(one, other);
}

/// The codes that two servers on one store return under one operation id.
async fn reset_twice(store: Store, instance: &str) -> [String; 2] {
    let first = Server::with(Options {
        store: store.url().await,
        bootstrap: Some(format!("{instance}{BOOTSTRAP}")),
        ..Options::default()
    });
    let first = first.await;
    let second = first.beside().await;
    let authorization = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", authorization.as_str()),
        (
            "x-portcullis-operation-id",
            "00112233445566778899aabbccddeeff",
        ),
        ("content-type", "application/json"),
    ];
    let mut codes = [const { String::new() }; 2];
    for (code, server) in codes.iter_mut().zip([&first, &second]) {
        let (path, body) = ("/v2/users/42/password_reset", br#"{"returnCode":{}}"#);
        let reply = exchange(server.address, "POST", path, &headers, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let json = reply.json();
        json["verificationCode"]
            .as_str()
            .expect("a code")
            .clone_into(code);
    }
    codes
}
