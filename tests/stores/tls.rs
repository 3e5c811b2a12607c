//! Stores that are reached over TLS, with certificates of an authority that only the URL names.

use portcullis_testkit::servers::{Authority, Postgres, Redis};
use portcullis_tests::{ADMIN, Ask, ORG, Server, get};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_verified() {
    let (authority, stranger) = (Authority::new().await, Authority::new().await);
    let postgres = Postgres::start_with(authority.postgres()).await;
    let url = |authority: &Authority| {
        let certificate = authority.certificate();
        format!(
            "{}?sslmode=verify-full&sslrootcert={}",
            postgres.url("postgres"),
            certificate.display()
        )
    };
    let server = Server::on(url(&authority)).await;
    works(&server).await;
    let encrypted = "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) \
                     where backend_type = 'client backend' and client_port > 0 \
                     and pid <> pg_backend_pid()";
    assert_eq!(postgres.query("postgres", encrypted).await, "t");
    is_refused(&url(&stranger)).await;
    // A name that the certificate does not have.
    is_refused(&url(&authority).replace("127.0.0.1", "127.0.0.2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_verified() {
    let (authority, stranger) = (Authority::new().await, Authority::new().await);
    let _redis = Redis::start_with(authority.redis()).await;
    let address = authority.redis_address();
    let url = |authority: &Authority| {
        let certificate = authority.certificate();
        format!("rediss://{address}/0?ca={}", certificate.display())
    };
    let server = Server::on(url(&authority)).await;
    works(&server).await;
    is_refused(&url(&stranger)).await;
    is_refused(&format!("rediss://{address}/0")).await;
    // Nobody listens there to anything but TLS.
    is_refused(&format!("redis://{address}/0")).await;
}

async fn works(server: &Server) {
    assert_eq!(get(server.address, "/readyz", &[]).await.status, 200);
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
    }
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

/// A server that cannot be trusted is as good as none: it may be another one tomorrow.
async fn is_refused(url: &str) {
    let server = Server::on(url).await;
    let ready = get(server.address, "/readyz", &[]).await;
    assert_eq!(ready.status, 503, "{url}: {}", ready.text());
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 14, "{door:?}: {answer:?}");
    }
}
