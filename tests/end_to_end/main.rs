//! The server from outside, over real sockets.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod cli;
mod concurrency;
mod connect;
mod faults;
mod grpc;
mod grpc_web;
mod hostile_hashes;
mod life;
mod openapi;
mod operations;
mod operator;
mod outside_client;
mod overload;
mod parity;
mod passwords;
mod rest;
mod steps;
