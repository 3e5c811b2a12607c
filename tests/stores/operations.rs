//! One operation id, one effect, over every transport and store: contract 11.16.

use portcullis_tests::{ADMIN, Ask, Door, Method, ORG, Server, get, operation_id};
use serde_json::{Value, json};

use crate::store::Store;

on_stores! {
    an_id_is_used_once: sqlite postgres redis cluster sentinel;
    an_id_belongs_to_one_user_and_method: sqlite postgres redis cluster sentinel;
    what_became_of_an_id_can_be_asked: sqlite postgres redis cluster sentinel;
}

async fn an_id_is_used_once(store: Store) {
    let server = store.serve().await;
    for (sequence, first) in (2..).zip(Door::ALL) {
        let ask = Ask::new("42", ADMIN).operation(&operation_id());
        let told = ask.through(first, server.address).await;
        assert_eq!((told.code, told.sequence), (0, Some(sequence)), "{told:?}");
        for door in Door::ALL {
            for password in ["Secret-1234", "Another-5678", "weak"] {
                let again = ask.clone().password(password);
                let again = again.through(door, server.address).await;
                assert_eq!(
                    (&again.owner, again.sequence, again.date, &again.operation),
                    (&told.owner, told.sequence, told.date, &ask.operation),
                    "{first:?}, then {door:?}: {again:?}"
                );
            }
        }
    }
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!(
        (exit, lines.len()),
        (0, 2 + Door::ALL.len()),
        "one event each"
    );
}

async fn an_id_belongs_to_one_user_and_method(store: Store) {
    let server = store.serve().await;
    let ask = Ask::new("42", ADMIN).operation(&operation_id());
    assert_eq!(ask.through(Door::Rest, server.address).await.code, 0);
    let user = Ask {
        user: "locked".to_owned(),
        ..ask.clone()
    };
    let method = ask.clone().method(Method::SetInitial);
    for door in Door::ALL {
        for other in [&user, &method] {
            let answer = other.through(door, server.address).await;
            assert_eq!(answer.code, 3, "{door:?}: {answer:?}");
        }
    }
    assert_eq!(server.inspect(ORG, "42").await.1.len(), 3);
    assert_eq!(server.inspect(ORG, "locked").await.1.len(), 2);
}

async fn what_became_of_an_id_can_be_asked(store: Store) {
    let server = store.serve().await;
    let id = operation_id();
    assert_eq!(became(&server, "42", &id).await, json!({"state": "absent"}));
    let refused = Ask::new("42", ADMIN).password("weak").operation(&id);
    assert_eq!(refused.through(Door::Rest, server.address).await.code, 3);
    assert_eq!(became(&server, "42", &id).await, json!({"state": "absent"}));

    let set = Ask::new("42", ADMIN).operation(&id);
    let set = set.through(Door::Grpc, server.address).await;
    let applied = became(&server, "42", &id).await;
    assert_eq!(applied["state"], "applied");
    let details = &applied["details"];
    assert_eq!(details["sequence"], set.sequence.unwrap().to_string());
    assert_eq!(details["resourceOwner"], ORG);
    let other = became(&server, "locked", &id).await;
    assert_eq!(other, json!({"state": "absent"}));
}

async fn became(server: &Server, user: &str, id: &str) -> Value {
    let path = format!("/portcullis/v1/operations/{ORG}/{user}/{id}");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str())];
    get(server.address, &path, &headers).await.json()
}
