//! The same few calls against every store. One line chooses it.
//!
//! ```text
//! cargo run --example stores -- memory:
//! cargo run --example stores -- sqlite:users.db
//! cargo run --example stores -- postgres://postgres@localhost/identity
//! cargo run --example stores -- redis://localhost
//! ```

use std::{error::Error, sync::Arc};

use portcullis_core::{
    Authorized, Caller, Engine, MemoryStore, Operation, OperationId, OrgId, OsRandom, Password,
    PasswordService, Permission, SetPassword, SystemClock, UserId, UserKey, UserStore, danger,
    store::{EventQuery, NewUser, UserKind},
};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};

/// The application names its store here, and nowhere else.
async fn open(url: &str) -> Result<Arc<dyn UserStore>, Box<dyn Error>> {
    let (scheme, path) = url.split_once(':').ok_or("that is no URL")?;
    Ok(match scheme {
        "memory" => Arc::new(MemoryStore::new()),
        "sqlite" => {
            let clock = Arc::new(SystemClock::new());
            Arc::new(SqliteStore::open(&SqliteConfig::new(path), clock).await?)
        }
        "postgres" | "postgresql" => {
            Arc::new(PostgresStore::open(&PostgresConfig::parse(url)?).await?)
        }
        _ => Arc::new(RedisStore::open(&RedisConfig::parse(url)?).await?),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("memory:".to_owned());
    let store = open(&url).await?;
    let service = Engine::builder(Arc::clone(&store)).build()?;

    // A new user every time, because most stores still know the last one.
    let name = OperationId::random(&OsRandom)?.to_string();
    let key = UserKey::new(OrgId::new("acme")?, UserId::new(name.as_str())?);
    let creation = OperationId::random(&OsRandom)?;
    let alice = NewUser::new(key.clone(), "alice", UserKind::Human, creation);
    store.create(&alice).await?;

    // The answer to a call can get lost. Named, it can be made again: that does nothing but
    // return the first answer.
    let proof = permitted(&key)?;
    let operation = Operation::Given(OperationId::random(&OsRandom)?);
    let first = service.set_password(&proof, set(&key, operation)?).await?;
    let again = service.set_password(&proof, set(&key, operation)?).await?;
    if first != again {
        return Err("one operation came to two results".into());
    }
    let other = Operation::Fresh(OperationId::random(&OsRandom)?);
    service.set_password(&proof, set(&key, other)?).await?;

    // What happened is one creation and two changes, however often it was asked for.
    let page = store.events(&EventQuery::user(key)).await?;
    for event in &page.events {
        eprintln!(
            "{} {} by operation {}",
            event.sequence, event.kind, event.operation
        );
    }
    if page.events.len() == 3 {
        Ok(())
    } else {
        Err("three events were expected".into())
    }
}

fn set(key: &UserKey, operation: Operation) -> Result<SetPassword, Box<dyn Error>> {
    let password = Password::new("Secret-1234".to_owned())?;
    Ok(SetPassword::new(key.user().clone(), password).with_operation(operation))
}

/// A server asks its `Authority` for this proof; a program on the operator's machine may not need
/// to.
fn permitted(key: &UserKey) -> Result<Authorized, Box<dyn Error>> {
    let operator = Caller::new(UserId::new("operator")?, None);
    let organisation = key.organisation().clone();
    let target = key.user().as_str();
    Ok(danger::assume(
        operator,
        organisation,
        Permission::UserWrite,
        target,
    ))
}
