//! Plants markers as passwords and tokens, listens to everything that every crate in the process
//! says at TRACE, and looks for them there, in errors, in `Debug` and in answers.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use portcullis_core::{
    Argon2id, Engine, HashString, ManualClock, MemoryStore, Password, PasswordHasher, SetPassword,
    StoreErrorKind, SystemClock, UserId, UserStore,
    store::{Credential, StoredHash},
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use portcullis_testkit::{Fault, FaultyStore, StoreMethod};
use portcullis_tests::{ADMIN, Ask, Door, InProcess, rig, user_key};
use portcullis_zitadel_api::{BearerToken, ZitadelApi};
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
    let path = "/management/v1/users/42/password";
    let headers = [("authorization", "Bearer token-admin")];
    for body in [
        format!(r#"{{"password":["{MARKER}"]}}"#),
        format!(r#"{{"password":{{"{MARKER}":1}}}}"#),
        format!(r#"{{"password":"{MARKER}"#),
        format!(r#"{{"password":"{MARKER}","password":"{MARKER}"}}"#),
        format!(r#"{{"noChangeRequired":"{MARKER}"}}"#),
    ] {
        said += &portcullis_tests::post(server.address, path, &headers, body)
            .await
            .text();
    }
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

#[test]
fn debug_prints_no_secret() {
    let password = || Password::new(format!("{MARKER}!aA1")).unwrap();
    let hash: HashString = rig::cheap().hash(&password()).unwrap();
    let tag = hash.as_stored().rsplit('$').next().unwrap().to_owned();
    let stored = StoredHash::load(Some(hash.as_stored()));
    let printed = [
        format!("{:?}", password()),
        format!(
            "{:?}",
            SetPassword::new(UserId::new("42").unwrap(), password())
        ),
        format!("{hash:?}"),
        format!("{:?}", Credential::new(stored, false, None)),
        format!("{:?}", StoredHash::load(Some(MARKER))),
        format!("{:?}", HashString::parse(MARKER).unwrap_err()),
        format!("{:?}", BearerToken::new(MARKER.to_owned())),
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
