//! Connections, and how a call uses one.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgRow},
};

use crate::{
    call::{Call, Protocol},
    config::PostgresConfig,
    error::Error,
    notices::overhear,
};

/// A pool and the manner of talking to it. Clones share it.
#[derive(Clone)]
pub(crate) struct Sessions {
    pool: PgPool,
    protocol: Protocol,
    /// How long an answer may take before the connection is given up.
    patience: Duration,
}

impl Sessions {
    pub(crate) fn new(pool: PgPool, config: &PostgresConfig) -> Self {
        Self {
            pool,
            protocol: config.protocol(),
            patience: config.patience(),
        }
    }

    /// For a connection beside the pool.
    pub(crate) fn options(&self) -> Arc<PgConnectOptions> {
        self.pool.connect_options()
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn read(&self, call: Call) -> Result<Vec<PgRow>, Error> {
        let mut lease = self.acquire().await?;
        let answer = lease.fetch(call, &self.protocol, self.patience).await;
        let answer = match answer {
            Some(answer) => answer.map_err(|error| Error::Read(error.into())),
            None => Err(Error::SilentRead),
        };
        lease.end(answer)
    }

    /// Once a connection is had, the caller's future cannot stop what it began: an answer is
    /// waited for in a task of its own, and the connection is fit for the next call. There are
    /// never more such tasks than connections.
    pub(crate) async fn write(&self, call: Call) -> Result<PgRow, Error> {
        let mut lease = self.acquire().await?;
        let (protocol, patience) = (self.protocol.clone(), self.patience);
        let task = tokio::spawn(async move {
            let answer = overhear(lease.fetch(call, &protocol, patience)).await;
            let answer = match answer {
                (Some(Ok(_)), true) => Err(Error::Warned),
                (Some(answer), _) => answer.map_err(|error| Error::Write(error.into())),
                (None, _) => Err(Error::SilentWrite),
            };
            lease.end(answer)
        });
        let rows = task.await.map_err(Error::Task)??;
        let row = rows.into_iter().next();
        row.ok_or_else(|| Error::Answer("there is none".into()))
    }

    async fn acquire(&self) -> Result<Lease, Error> {
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| Error::Acquire(error.into()))?;
        Ok(Lease(Some(connection)))
    }
}

/// A connection that goes back to the pool in time or not at all.
///
/// The driver asks it for a sign of life before it takes it back, and would wait for that for
/// ever: a server that vanished without a word would keep its connections out of the pool.
struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    /// None if no answer came in time.
    async fn fetch(
        &mut self,
        call: Call,
        protocol: &Protocol,
        patience: Duration,
    ) -> Option<Result<Vec<PgRow>, sqlx::Error>> {
        let connection = self.0.as_mut()?;
        let answer = call.fetch(connection, protocol);
        tokio::time::timeout(patience, answer).await.ok()
    }

    /// A connection that is of no more use goes at once, without a farewell that nobody hears.
    fn end<T>(mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if answer.as_ref().is_err_and(Error::ends_connection) {
            drop(self.0.take().map(PoolConnection::detach));
        }
        answer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut connection) = self.0.take() {
            let returned = connection.return_to_pool();
            tokio::spawn(tokio::time::timeout(RETURN_TIMEOUT, returned));
        }
    }
}

const RETURN_TIMEOUT: Duration = Duration::from_secs(1);
