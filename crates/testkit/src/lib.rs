#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite reports by panicking"
)]

mod build;
mod cases;
mod documents;
mod faults;
mod fixture;
mod history;
#[cfg(feature = "servers")]
pub mod linearizability;
mod list;
#[cfg(feature = "servers")]
pub mod load;
#[cfg(feature = "servers")]
pub mod proxy;
mod race;
#[cfg(feature = "servers")]
pub mod servers;
mod suite;
mod world;

pub use documents::{DocumentCase, document_cases};
pub use faults::{Fault, FaultyStore, StoreMethod};
pub use fixture::{DocumentFixture, Fixture};
pub use suite::{Case, cases};

#[doc(hidden)]
pub mod __private {
    pub use crate::{documents::run as run_documents, suite::run};
}
