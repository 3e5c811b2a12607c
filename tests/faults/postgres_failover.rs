//! PostgreSQL: the primary is lost after its standby was cut off from it.

use std::time::Duration;

use portcullis_testkit::{
    linearizability::check,
    load::{Audit, Journal, Load},
    proxy::Proxy,
    servers::Postgres,
};
use tokio::time::sleep;

use crate::{
    handles::{postgres, postgres_url},
    scale,
};

/// How long the primary goes on without its standby.
const CUT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_has_everything_that_was_acknowledged() {
    for cycle in 1..=scale::failovers() {
        let (audit, journal) = fail_over(true).await;
        println!("PostgreSQL, synchronous standby, failover {cycle}: {audit}");
        assert!(audit.is_sound(), "{audit}");
        assert!(audit.unknown > 0, "commits wait for the standby: {audit}");
        check(journal.history()).unwrap();
    }
}

/// The control: a primary that waits for nobody acknowledges what is lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_standby_misses_what_was_acknowledged() {
    let (audit, journal) = fail_over(false).await;
    println!("PostgreSQL, asynchronous standby: {audit}");
    assert!(audit.lost > 0, "{audit}");
    assert!(check(journal.history()).is_err());
}

/// Puts writers on a primary, cuts its standby off, kills it and goes on with the standby.
async fn fail_over(synchronous: bool) -> (Audit, Journal) {
    let primary = Postgres::start().await;
    let replication = Proxy::to(primary.address()).await;
    let standby = Postgres::standby_through(&primary, replication.address(), synchronous).await;
    let clients = Proxy::to(primary.address()).await;
    let url = postgres_url(clients.address());
    let stores = [postgres(&url).await, postgres(&url).await];
    let load = Load::on(&stores).users(32).start().await.unwrap();
    load.wait_for(200).await;
    replication.refuse().await;
    replication.cut().await;
    sleep(CUT).await;
    primary.kill().await;
    standby.promote().await;
    clients.point_at(standby.address());
    clients.cut().await;
    load.wait_for_more(100).await;
    let journal = load.stop().await;
    let store = postgres(&standby.url("postgres")).await;
    (journal.audit(&*store).await.unwrap(), journal)
}
