//! What the suite needs of a store beyond its trait.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{Timestamp, UserKey, UserStore, store::DocumentStore};

/// One store under test, with everything that keeps it alive.
///
/// The suite opens one for each case and drops it after the case: what it owns (a temporary
/// directory, a schema, a server) is its guard. Every method is required, so that no store can
/// leave cases out.
///
/// A store that takes the time from a [`Clock`](portcullis_core::Clock) gets a
/// [`ManualClock`](portcullis_core::ManualClock), and the three methods about time go to that
/// clock. A store that takes it from its database offers the same through whatever moves the
/// database's clock; time may pass there between two calls, and no case minds.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// A new, empty store that shares nothing with any other that is open.
    async fn open() -> Self
    where
        Self: Sized;

    /// The store. Each call may return the same handle.
    fn store(&self) -> Arc<dyn UserStore>;

    /// Another handle on the same data, as another process would have: nothing that the first
    /// one keeps in memory may be shared with it, where the store keeps data anywhere else.
    async fn reopen(&self) -> Arc<dyn UserStore>;

    /// Replaces the stored hash string by any text, past the parser, as a damaged database would.
    async fn damage_hash(&self, key: &UserKey, text: &str);

    /// The time that the store would write now.
    async fn now(&self) -> Timestamp;

    /// Moves the store's time on.
    async fn advance(&self, by: Duration);

    /// Sets the store's wall clock back, as an administrator or a time server would.
    async fn set_back(&self, by: Duration);
}

/// The same for a store that keeps documents too, as each does that the service runs on.
#[async_trait]
pub trait DocumentFixture: Fixture {
    /// The store of documents. Each call may return the same handle.
    fn documents(&self) -> Arc<dyn DocumentStore>;

    /// Another handle on the same documents, as another process would have.
    async fn reopen_documents(&self) -> Arc<dyn DocumentStore>;
}
