//! The whole API in one process, for targets that feed its parsers through its front door.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use portcullis_core::{
    Access, Authority, Caller, Engine, Error, HashCost, HashError, HashString, MemoryStore, OperationId,
    OrgId, OsRandom, Password, PasswordHasher, UserId, UserKey, UserStore, Verdict,
    store::{NewUser, UserKind},
};
use portcullis_zitadel_api::{BearerToken, TokenAuthenticator, ZitadelApi};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

#[derive(Debug)]
struct Everyone;

#[async_trait]
impl TokenAuthenticator for Everyone {
    async fn authenticate(&self, _: &BearerToken) -> Result<Option<Caller>, Error> {
        let home = OrgId::new("acme").expect("an id");
        Ok(Some(Caller::new(
            UserId::new("1").expect("an id"),
            Some(home),
        )))
    }
}

#[async_trait]
impl Authority for Everyone {
    async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
        let home = access.caller.home().cloned();
        Ok(home.map_or(Verdict::OrganisationNotFound, Verdict::Granted))
    }
}

/// No work at all: parsers are fuzzed here, not Argon2.
#[derive(Debug)]
struct Nothing;

impl PasswordHasher for Nothing {
    fn hash(&self, _: &Password) -> Result<HashString, HashError> {
        let text = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
        Ok(HashString::parse(text).expect("a hash string"))
    }

    fn verify(&self, _: &Password, _: &HashString) -> Result<bool, HashError> {
        Ok(false)
    }

    fn admits(&self, _: &HashString) -> Result<(), HashError> {
        Ok(())
    }

    fn needs_upgrade(&self, _: &HashString) -> bool {
        false
    }

    fn rehash(&self, password: &Password, _: &HashString) -> Result<HashString, HashError> {
        self.hash(password)
    }

    fn cost(&self) -> HashCost {
        HashCost::new(64, 1)
    }

    fn suite(&self) -> String {
        "nothing".to_owned()
    }
}

fn api() -> &'static (Runtime, Router) {
    static API: OnceLock<(Runtime, Router)> = OnceLock::new();
    API.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let store = Arc::new(MemoryStore::new());
        let key = UserKey::new(
            OrgId::new("acme").expect("an id"),
            UserId::new("42").expect("an id"),
        );
        let operation = OperationId::random(&OsRandom).expect("random bytes");
        let user = NewUser::new(key, "alice", UserKind::Human, operation);
        runtime.block_on(store.create(&user)).expect("a user");
        let engine = Engine::builder(store).with_hasher(Arc::new(Nothing));
        let engine = Arc::new(engine.build().expect("threads"));
        let app = Arc::new(Everyone);
        (runtime, ZitadelApi::new(engine, app.clone(), app).router())
    })
}

/// Sends one request and returns status and body. No input may cause an internal error.
pub fn post(path: &str, content_type: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
    let (runtime, router) = api();
    let request = Request::post(path)
        .header("authorization", "Bearer token")
        .header("content-type", content_type)
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let (status, body) = runtime.block_on(async {
        let response = router.clone().oneshot(request).await.expect("no error");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body");
        (status, body.to_bytes().to_vec())
    });
    assert!(
        !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED,
        "{status}"
    );
    (status, body)
}
