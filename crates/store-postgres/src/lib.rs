#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod config;
mod documents;
mod durability;
mod error;
mod migrate;
mod notices;
mod queries;
mod row;
mod sessions;
mod store;

pub use config::PostgresConfig;
pub use durability::Durability;
/// The driver, in the version whose types appear here.
pub use sqlx;
pub use store::PostgresStore;
