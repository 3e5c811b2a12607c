//! The server on every store, over real PostgreSQL and Redis servers that this program starts.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test reports by panicking, and prints its figures"
)]

/// One test of each case on each of these stores.
macro_rules! on_stores {
    ($($case:ident: $($store:ident)+;)+) => { $(
        mod $case {
            use crate::store::Store;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $store() {
                    super::$case(Store::$store()).await;
                }
            )+
        }
    )+ };
}

mod bad_starts;
mod choice;
mod codes;
mod crowd;
mod example;
mod floods;
mod hang_ups;
mod hostile_ids;
mod kills;
mod lost_answers;
mod operations;
mod outages;
mod own;
mod removals;
mod secrets;
mod settings;
mod store;
mod tls;
mod upgrade;
