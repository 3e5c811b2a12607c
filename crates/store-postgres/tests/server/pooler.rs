//! A real pooler in transaction mode, where there is one: `PORTCULLIS_POOLER_URL` names it.

use portcullis_core::store::EventQuery;
use portcullis_store_postgres::{PostgresConfig, PostgresStore};

use crate::users::{assert_consistent, commit, create, walk};

const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a pooler"]
async fn many_clients_share_few_connections_of_a_pooler() {
    let url = std::env::var("PORTCULLIS_POOLER_URL").unwrap();
    let schema = format!("pooled_{}", std::process::id());
    let config = PostgresConfig::parse(&url).unwrap().with_pgbouncer(true);
    let config = config.with_schema(&schema).unwrap().with_connections(4);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let config = config.clone();
            tokio::spawn(async move {
                let store = PostgresStore::open(&config).await.unwrap();
                let user = client.to_string();
                create(&store, &user).await;
                for _ in 0..25 {
                    commit(&store, &user).await;
                }
                assert_consistent(&store, &user).await;
                store
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let store = PostgresStore::connect(&config).await.unwrap();
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), CLIENTS * 26);
}

/// Why the driver's own way is not taken: it prepares in one message and executes in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a pooler"]
async fn what_the_driver_prepares_is_executed_elsewhere() {
    let url = std::env::var("PORTCULLIS_POOLER_URL").unwrap();
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let pool = sqlx::PgPool::connect_with(options.extra_float_digits(None))
        .await
        .unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut wrong = 0;
                for _ in 0..50 {
                    let sql = if client % 2 == 0 {
                        "SELECT $1 || ' even'"
                    } else {
                        "SELECT $1 || ' odd'"
                    };
                    let query = sqlx::query_scalar::<_, String>(sql).bind("I am");
                    let answer = query.persistent(false).fetch_one(&pool).await;
                    let right = if client % 2 == 0 {
                        "I am even"
                    } else {
                        "I am odd"
                    };
                    wrong += usize::from(answer.ok().as_deref() != Some(right));
                }
                wrong
            })
        })
        .collect();
    let mut wrong = 0;
    for client in clients {
        wrong += client.await.unwrap();
    }
    println!(
        "{wrong} of {} statements failed or were another's",
        CLIENTS * 50
    );
    assert!(wrong > 0);
}
