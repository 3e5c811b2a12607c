//! A role that may only call functions.

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, AttemptRequest, EventQuery, HashUpgrade, SettleOutcome,
    Settlement, Subject, UpgradeOutcome, Verification,
};
use portcullis_core::{HashString, StoreErrorKind, StoreHealth, UserStore};
use portcullis_store_postgres::PostgresStore;
use portcullis_testkit::servers::Postgres;
use sqlx::{Connection, PgConnection};

use crate::{
    documents::write_and_remove,
    place::{Place, run},
    users::{HASH, assert_consistent, commit, create, key, operation, walk},
};

#[tokio::test]
async fn a_guarded_role_can_do_everything_the_service_does() {
    let place = Place::new().await;
    let guarded = place.guard().await;
    for pgbouncer in [false, true] {
        let config = guarded.clone().with_pgbouncer(pgbouncer);
        let store = PostgresStore::open(&config).await.unwrap();
        store.check().await.unwrap();
        let user = if pgbouncer { "1" } else { "2" };
        create(&store, user).await;
        commit(&store, user).await;
        let hash = || HashString::parse(HASH).unwrap();
        let stronger = HashString::parse(&HASH.replace("m=64", "m=65")).unwrap();
        let upgrade = HashUpgrade::new(key(user), operation(), hash(), stronger);
        let outcome = store.upgrade_hash(&upgrade).await.unwrap();
        assert!(matches!(outcome, UpgradeOutcome::Upgraded(_)));
        let (subject, permit) = (Subject::User(key(user)), operation());
        let request = AttemptRequest::new(subject.clone(), permit, AttemptLimits::default());
        let outcome = store.take_attempt(&request).await.unwrap();
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
        let settlement = Settlement::new(subject, permit, Verification::Right);
        let outcome = store.settle_attempt(&settlement).await.unwrap();
        assert!(matches!(
            outcome,
            SettleOutcome::Settled { failures: 0, .. }
        ));
        assert_eq!(walk(&store, EventQuery::user(key(user))).await.len(), 4);
        write_and_remove(&store, user).await;
        assert!(store.durability().await.unwrap().survives_crash());
    }
    let store = PostgresStore::open(&guarded).await.unwrap();
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), 8);
}

#[tokio::test]
async fn a_guarded_role_cannot_read_or_write_a_table() {
    let place = Place::new().await;
    place.guard().await;
    create(&place.open().await, "42").await;
    let app = format!("{}_app", place.schema);
    let url = Postgres::shared().await.url("postgres");
    let url = url.replace("postgres@", &format!("{app}@"));
    let mut raw = PgConnection::connect(&url).await.unwrap();
    for what in [
        "SELECT hash FROM {}.users",
        "SELECT count(*) FROM {}.users",
        "UPDATE {}.users SET hash = NULL",
        "DELETE FROM {}.events",
        "INSERT INTO {}.eras VALUES (7)",
        "TRUNCATE {}.users",
        "SELECT text FROM {}.documents",
        "DELETE FROM {}.documents",
        "CREATE TABLE {}.mine ()",
        "SELECT {}.guard(current_user, current_user)",
        "SELECT {}.renew_era()",
        "SELECT {}.open_user('acme', '42', now())",
        "DROP FUNCTION {}.load_user",
    ] {
        let sql = what.replace("{}", &place.schema);
        let result = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut raw)
            .await;
        let error = result.unwrap_err();
        let code = error
            .as_database_error()
            .unwrap()
            .code()
            .unwrap()
            .into_owned();
        assert_eq!(code, "42501", "{what}");
    }
    let store = PostgresStore::connect(&place.config_of(&app))
        .await
        .unwrap();
    let error = store.load(&key("42")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Internal);
}

#[tokio::test]
async fn a_guarded_schema_is_migrated_by_its_owner_and_can_be_guarded_again() {
    let place = Place::new().await;
    let guarded = place.guard().await;
    let (owner, app) = (
        format!("{}_owner", place.schema),
        format!("{}_app", place.schema),
    );
    let admin = PostgresStore::open(&place.config_of(&owner)).await.unwrap();
    admin.guard(&owner, &app).await.unwrap();
    let store = PostgresStore::open(&guarded).await.unwrap();
    create(&store, "42").await;
    commit(&store, "42").await;
    assert_consistent(&store, "42").await;
    let error = store.migrate().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Internal);
}

/// What a later migration brings can be called by the same roles, and by nobody else.
#[tokio::test]
async fn a_guarded_schema_without_documents_gets_them_from_its_owner() {
    let place = Place::new().await;
    let guarded = place.guard().await;
    let mut raw = place.raw().await;
    run(
        &mut raw,
        "DROP TABLE documents CASCADE; DROP FUNCTION write_document; \
         DROP FUNCTION create_identity; DELETE FROM migrations WHERE version > 5",
    )
    .await;
    let owner = format!("{}_owner", place.schema);
    PostgresStore::open(&place.config_of(&owner)).await.unwrap();
    let store = PostgresStore::open(&guarded).await.unwrap();
    write_and_remove(&store, "42").await;
    create(&store, "42").await;

    let public = "SELECT count(*) FROM pg_proc, aclexplode(coalesce(proacl, \
                  acldefault('f', proowner))) AS granted \
                  WHERE pronamespace = current_schema()::regnamespace AND granted.grantee = 0";
    let public: i64 = sqlx::query_scalar(public)
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(public, 0, "functions that anybody may call");
}

#[tokio::test]
async fn nobody_else_may_call_anything() {
    let place = Place::new().await;
    place.guard().await;
    let stranger = format!("{}_stranger", place.schema);
    let role = format!("CREATE ROLE {stranger} LOGIN");
    Postgres::shared().await.query("postgres", &role).await;
    let store = PostgresStore::open(&place.config_of(&stranger).with_guarded(true)).await;
    assert_eq!(store.unwrap_err().kind(), StoreErrorKind::Internal);
}
