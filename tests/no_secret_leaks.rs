//! Plants markers as passwords and tokens, listens to everything that every crate in the process
//! says at TRACE, and looks for them there, in errors, in `Debug` and in answers; and asks the real
//! server the same, for what its log and its metrics say.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::{
    Argon2id, ChangePassword, CheckPassword, CreateSession, Engine, Evidence, HashString,
    ImportUser, ImportedPassword, ManualClock, MemoryStore, OperationId, OsRandom, Password,
    PasswordHasher, ResetCode, SessionToken, SetInitialPassword, SetPassword, SetSession,
    StoreErrorKind, SystemClock, UserId, UserStore,
    store::{
        Change, Credential, CredentialChange, DocumentKey, DocumentKind, DocumentWrite, EventKind,
        HashUpgrade, Method, NewUser, StoredHash, UserKind, Version,
    },
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use portcullis_testkit::{Fault, FaultyStore, StoreMethod};
use portcullis_tests::{
    ADMIN, Ask, BOOTSTRAP, Door, InProcess, ORG, Options, Server, rig, user_key,
};
use portcullis_zitadel_api::{BearerToken, ZitadelApi};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

const MARKER: &str = "Marker-7Xq9";

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn passwords() -> Vec<String> {
    vec![
        format!("{MARKER}!aA1"),
        MARKER.to_lowercase(),
        format!("{MARKER}{}", "x".repeat(80)),
        format!("{MARKER}\u{0}\u{1F980}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_or_hash_is_ever_said() {
    let sink = Sink::default();
    tracing_log::LogTracer::init().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(sink.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let directory = tempfile::TempDir::new().unwrap();
    let config = SqliteConfig::new(directory.path().join("users.db"));
    let sqlite = SqliteStore::open(&config, Arc::new(SystemClock::new()))
        .await
        .unwrap();
    let store = FaultyStore::new(Arc::new(sqlite));
    rig::create(&store, "42").await;
    let engine = Engine::builder(Arc::new(store.clone()))
        .with_hasher(rig::cheap())
        .build()
        .unwrap();
    let router = ZitadelApi::new(
        Arc::new(engine),
        Arc::new(rig::OneAdmin),
        Arc::new(rig::OneAdmin),
    )
    .router();
    let server = InProcess::serve(router).await;

    let mut said = String::new();
    for door in Door::ALL {
        for password in passwords() {
            let ask = Ask::new("42", ADMIN).password(&password);
            said += &format!("{:?}\n", ask.through(door, server.address).await);
            for fault in [
                Fault::Before(StoreErrorKind::Corrupt),
                Fault::After(StoreErrorKind::OutcomeUnknown),
                Fault::Panic,
            ] {
                store.fail_next(StoreMethod::Commit, fault);
                said += &format!("{:?}\n", ask.through(door, server.address).await);
            }
        }
    }
    said += &malformed(server.address).await;
    let record = store.load(&user_key("42")).await.unwrap().unwrap();
    said += &format!("{record:?}");
    let StoredHash::Readable(stored) = &record.credential.hash else {
        panic!("no hash")
    };
    let tag = stored.as_stored().rsplit('$').next().unwrap().to_owned();

    let log = String::from_utf8_lossy(&sink.0.lock().unwrap()).into_owned();
    assert!(log.contains("hash started"), "the log is listened to");
    assert!(log.contains("TRACE"), "down to TRACE");
    for (place, text) in [("log", &log), ("answer", &said)] {
        for secret in [MARKER, &MARKER.to_lowercase(), &tag, "$argon2id$v="] {
            let found = text.lines().find(|line| line.contains(secret));
            assert!(found.is_none(), "{secret} in a {place}: {found:?}");
        }
    }
}

/// Markers where no decoder expects them, over every transport. What was answered, raw.
async fn malformed(address: SocketAddr) -> String {
    const REST: &str = "/management/v1/users/42/password";
    const RPC: &str = "/zitadel.management.v1.ManagementService/SetHumanPassword";
    let bodies = [
        format!(r#"{{"password":["{MARKER}"]}}"#),
        format!(r#"{{"password":{{"{MARKER}":1}}}}"#),
        format!(r#"{{"password":"{MARKER}"#),
        format!(r#"{{"password":"{MARKER}","password":"{MARKER}"}}"#),
        format!(r#"{{"noChangeRequired":"{MARKER}"}}"#),
        format!("{MARKER}\u{0}"),
    ];
    let bearer = format!("Bearer {MARKER}");
    let mut said = String::new();
    for body in bodies {
        let mut frame = vec![0];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body.as_bytes());
        let (body, text) = (body.into_bytes(), STANDARD.encode(&frame));
        for (path, kind, body) in [
            (REST, "application/json", &body),
            (RPC, "application/json", &body),
            (RPC, "application/proto", &body),
            (RPC, "application/grpc-web", &frame),
            (RPC, "application/grpc-web", &body),
            (RPC, "application/grpc-web+json", &frame),
            (RPC, "application/grpc-web-text", &text.into_bytes()),
            (RPC, "application/grpc-web-text", &body),
        ] {
            for token in ["Bearer token-admin", &bearer, MARKER] {
                let headers = [("authorization", token), ("content-type", kind)];
                let reply = portcullis_tests::post(address, path, &headers, body).await;
                let text = STANDARD.decode(&reply.body).unwrap_or_default();
                said += &format!("{:?} {}\n", reply.headers, reply.text());
                said += &format!("{}\n", String::from_utf8_lossy(&text));
            }
        }
    }
    said
}

/// The real server, with everything that it says.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_logs_and_counts_without_secrets() {
    let server = Server::with(Options {
        log_level: "trace",
        bootstrap: Some(BOOTSTRAP.replace("token-nobody", MARKER)),
        ..Options::default()
    })
    .await;
    let mut said = String::new();
    for door in Door::ALL {
        for password in passwords() {
            for token in [ADMIN, MARKER, "unknown"] {
                let ask = Ask::new("42", token).password(&password);
                said += &format!("{:?}\n", ask.through(door, server.address).await);
            }
        }
    }
    said += &malformed(server.address).await;
    let issued = rest_of_life(server.address, &mut said).await;
    let metrics = portcullis_tests::get(server.address, "/metrics", &[])
        .await
        .text();
    let log = server.log();
    assert!(log.contains("hash started"), "the log is listened to");
    assert!(metrics.contains("portcullis_requests_total"), "{metrics}");
    let (_, lines) = server.inspect(ORG, "42").await;
    let hash = lines[0]["hash"].as_str().unwrap().to_owned();
    let tag = hash.rsplit('$').next().unwrap();
    for (place, text) in [("log", &log), ("metric", &metrics)] {
        for secret in &issued {
            assert!(!text.contains(secret), "what was handed out, in a {place}");
        }
    }
    for (place, text) in [("log", &log), ("answer", &said), ("metric", &metrics)] {
        for secret in [
            MARKER,
            &MARKER.to_lowercase(),
            tag,
            "$argon2id$v=",
            "token-admin",
        ] {
            let found = text.lines().find(|line| line.contains(secret));
            assert!(found.is_none(), "{secret} in a {place}: {found:?}");
        }
    }
}

/// Asks every other endpoint that takes a secret, in JSON over two transports, and returns the codes
/// and tokens that were handed out.
async fn rest_of_life(address: SocketAddr, said: &mut String) -> Vec<String> {
    let secret = format!("{MARKER}!aA1");
    let auth = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", auth.as_str()),
        ("content-type", "application/json"),
    ];
    let new = json!({"password": secret});
    let user = json!({"userId": "42"});
    let calls = [
        (
            "PUT",
            "/auth/v1/users/me/password",
            "auth.v1.AuthService/UpdateMyPassword",
            json!({"oldPassword": secret, "newPassword": format!("{secret}x")}),
        ),
        (
            "POST",
            "/v2/users/42/password",
            "user.v2.UserService/SetPassword",
            json!({"userId": "42", "newPassword": new, "currentPassword": MARKER}),
        ),
        (
            "POST",
            "/v2/users/42/password",
            "user.v2.UserService/SetPassword",
            json!({"userId": "42", "newPassword": new, "verificationCode": &MARKER[..10]}),
        ),
        (
            "POST",
            "/v2/users/42/password",
            "user.v2.UserService/SetPassword",
            json!({"userId": "42", "newPassword": {"password": [secret]}}),
        ),
        (
            "POST",
            "/management/v1/users/human/_import",
            "management.v1.ManagementService/ImportHumanUser",
            json!({"userName": "leaky", "password": secret}),
        ),
        (
            "POST",
            "/management/v1/users/human/_import",
            "management.v1.ManagementService/ImportHumanUser",
            json!({"userName": "leakier", "hashedPassword": {"value": MARKER}}),
        ),
        (
            "POST",
            "/v2/sessions",
            "session.v2.SessionService/CreateSession",
            json!({"checks": {"user": user, "password": {"password": secret}}}),
        ),
        (
            "POST",
            "/v2/sessions",
            "session.v2.SessionService/CreateSession",
            json!({"checks": {"user": user}}),
        ),
        (
            "PATCH",
            "/v2/sessions/17",
            "session.v2.SessionService/SetSession",
            json!({"sessionId": "17", "sessionToken": MARKER, "checks": {"password": new}}),
        ),
        (
            "POST",
            "/v2/users/42/password_reset",
            "user.v2.UserService/PasswordReset",
            json!({"userId": "42", "returnCode": {}}),
        ),
    ];
    let mut issued = Vec::new();
    for (method, path, rpc, body) in calls {
        let body = body.to_string();
        let rpc = format!("/zitadel.{rpc}");
        for (method, path) in [(method, path), ("POST", rpc.as_str())] {
            let exchange =
                portcullis_tests::exchange(address, method, path, &headers, body.as_bytes());
            let reply = exchange.await;
            assert!(!reply.text().contains("\"Not Found\""), "{path} is served");
            let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            for handed_out in ["verificationCode", "sessionToken"] {
                issued.extend(
                    answer
                        .get(handed_out)
                        .and_then(|text| text.as_str())
                        .map(str::to_owned),
                );
            }
            *said += &format!("{:?} {}\n", reply.headers, reply.text());
        }
    }
    assert!(
        issued.len() >= 4,
        "two codes and two tokens at least: {issued:?}"
    );
    issued
}

#[test]
fn debug_prints_no_secret() {
    let password = || Password::new(format!("{MARKER}!aA1")).unwrap();
    let hash: HashString = rig::cheap().hash(&password()).unwrap();
    let another = || HashString::parse(hash.as_stored()).unwrap();
    let operation = || OperationId::random(&OsRandom).unwrap();
    let new_user = || NewUser::new(user_key("42"), "alice", UserKind::Human, operation());
    let tag = hash.as_stored().rsplit('$').next().unwrap().to_owned();
    let stored = StoredHash::load(Some(hash.as_stored()));
    let printed = [
        format!("{:?}", password()),
        format!(
            "{:?}",
            SetPassword::new(UserId::new("42").unwrap(), password())
        ),
        format!(
            "{:?}",
            SetInitialPassword::new(UserId::new("42").unwrap(), password())
        ),
        format!("{hash:?}"),
        format!("{:?}", new_user().with_hash(another(), false)),
        format!(
            "{:?}",
            Change::new(
                user_key("42"),
                Method::SetPassword,
                operation(),
                Version::FIRST,
                EventKind::PasswordChanged
            )
            .with_credential(CredentialChange::Replace {
                hash: another(),
                must_change: true
            })
        ),
        format!(
            "{:?}",
            HashUpgrade::new(user_key("42"), operation(), another(), another())
        ),
        format!("{:?}", Credential::new(stored, false, None)),
        format!("{:?}", StoredHash::load(Some(MARKER))),
        format!("{:?}", HashString::parse(MARKER).unwrap_err()),
        format!("{:?}", BearerToken::new(MARKER.to_owned())),
        format!(
            "{:?}",
            CheckPassword::new(UserId::new("42").unwrap(), password())
        ),
        format!(
            "{:?}",
            ChangePassword::new(
                UserId::new("42").unwrap(),
                Evidence::Code(ResetCode::new(MARKER[..10].to_owned()).unwrap()),
                password()
            )
        ),
        format!(
            "{:?}",
            ImportUser::new("alice", ImportedPassword::Password(password()))
        ),
        format!(
            "{:?}",
            ImportUser::new("alice", ImportedPassword::Hash(another()))
        ),
        format!(
            "{:?}",
            SetSession::new("17", Some(SessionToken::new(MARKER.to_owned())), {
                let mut add = CreateSession::default();
                add.password = Some(password());
                add
            })
        ),
        format!(
            "{:?}",
            DocumentWrite::new(
                DocumentKey::new(DocumentKind::Session, "17"),
                operation(),
                None,
                MARKER.to_owned()
            )
        ),
        format!("{:?}", MemoryStore::new()),
        format!("{:?}", Argon2id::default()),
        format!(
            "{:?}",
            ManualClock::at(portcullis_core::Timestamp::UNIX_EPOCH)
        ),
    ];
    for text in printed {
        assert!(!text.contains(MARKER) && !text.contains(&tag), "{text}");
    }
}
