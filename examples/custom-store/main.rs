//! A store of one's own: all of `UserStore` and `StoreHealth`, from the public API alone.
//!
//! `row.rs` has the rules over one user, `store.rs` what makes them atomic. `cargo run --example
//! custom-store` sets a password over it; `cargo test --example custom-store` runs the
//! conformance suite, which is the contract of a store.

mod row;
mod store;

use std::{error::Error, sync::Arc};

use portcullis_core::{
    Caller, Engine, OperationId, OrgId, OsRandom, Password, PasswordService, Permission,
    SetPassword, StoreHealth, SystemClock, UserId, UserKey, UserStore, danger,
    store::{EventQuery, NewUser, UserKind},
};

use crate::store::RowStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(RowStore::open(Arc::new(SystemClock::new())));
    store.check().await?;
    let engine = Engine::builder(store.clone()).build()?;

    let (acme, alice) = (OrgId::new("acme")?, UserId::new("42")?);
    let key = UserKey::new(acme.clone(), alice.clone());
    let operation = OperationId::random(&OsRandom)?;
    store
        .create(&NewUser::new(key, "alice", UserKind::Human, operation))
        .await?;

    // A server asks its `Authority` for this proof.
    let operator = Caller::new(UserId::new("operator")?, None);
    let proof = danger::assume(operator, acme, Permission::UserWrite, "42");
    let password = Password::new("Secret-1234".to_owned())?;
    let details = engine
        .set_password(&proof, SetPassword::new(alice, password))
        .await?;
    eprintln!("set: event {} of alice", details.sequence);

    for event in store.events(&EventQuery::outbox()).await?.events {
        eprintln!("outbox: {} {}", event.sequence, event.kind);
    }
    Ok(())
}

#[cfg(test)]
mod conformance {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use portcullis_core::{Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore};
    use portcullis_testkit::Fixture;

    use crate::store::RowStore;

    struct Rows {
        clock: Arc<ManualClock>,
        store: RowStore,
    }

    #[async_trait]
    impl Fixture for Rows {
        async fn open() -> Self {
            let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
            let store = RowStore::open(clock.clone());
            Self { clock, store }
        }

        fn store(&self) -> Arc<dyn UserStore> {
            Arc::new(self.store.clone())
        }

        async fn reopen(&self) -> Arc<dyn UserStore> {
            self.store()
        }

        async fn damage_hash(&self, key: &UserKey, text: &str) {
            self.store.damage_hash(key, text);
        }

        async fn now(&self) -> Timestamp {
            self.clock.now()
        }

        async fn advance(&self, by: Duration) {
            self.clock.advance(by);
        }

        async fn set_back(&self, by: Duration) {
            self.clock.set(self.clock.now() - by);
        }
    }

    portcullis_testkit::store_conformance!(Rows);
}
