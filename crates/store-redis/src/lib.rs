#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod call;
mod config;
mod connection;
mod cursor;
mod documents;
mod durability;
mod error;
mod events;
mod keys;
mod message;
mod mutation;
mod row;
mod scripts;
mod source;
mod store;
mod url;

pub use config::{ConfigError, RedisConfig};
pub use durability::{Durability, Weakness};
pub use store::RedisStore;
