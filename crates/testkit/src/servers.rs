//! Real servers for tests: PostgreSQL and Redis, alone, replicated or as a cluster.
//!
//! Each runs on a free port of the loopback, in a temporary directory, and is gone with the
//! process that started it: when its handle is dropped, when the process exits without dropping
//! anything, and when it is killed. If a test panics, the logs stay and their place is printed.
//!
//! A binary that is missing is a panic that names the package to install, never a skipped test.
//!
//! Servers can be killed like in a power cut and started again on what they left:
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use portcullis_testkit::servers::Postgres;
//! let postgres = Postgres::start().await;
//! postgres.query("postgres", "create table t (n int); insert into t values (1)").await;
//! postgres.kill().await;
//! postgres.start_again().await;
//! assert_eq!(postgres.query("postgres", "select n from t").await, "1");
//! # }
//! ```

mod authority;
mod binary;
mod pgbouncer;
pub(crate) mod port;
mod postgres;
mod process;
mod redis;
mod sandbox;
mod settings;

pub use authority::Authority;
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use redis::{Redis, RedisCluster, RedisSentinel};
pub use settings::Settings;

/// Does what blocks where it may. A panic in there is the caller's.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
