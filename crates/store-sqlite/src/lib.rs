#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod config;
mod documents;
mod error;
mod migrate;
mod mutation;
mod queries;
mod readers;
mod row;
mod store;
mod user;

pub use config::SqliteConfig;
pub use store::SqliteStore;
