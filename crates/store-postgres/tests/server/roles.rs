//! A role that may only call functions.

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, AttemptRequest, EventQuery, HashUpgrade, SettleOutcome,
    Settlement, Subject, UpgradeOutcome, Verification,
};
use portcullis_core::{HashString, StoreErrorKind, StoreHealth, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::Postgres;
use sqlx::{Connection, PgConnection};

use crate::{
    place::Place,
    users::{HASH, assert_consistent, commit, create, key, operation, walk},
};

async fn as_role(place: &Place, role: &str) -> PostgresConfig {
    let url = Postgres::shared().await.url("postgres");
    let url = url.replace("postgres@", &format!("{role}@"));
    let config = PostgresConfig::parse(&format!("{url}?guarded=true")).unwrap();
    config.with_schema(&place.schema).unwrap()
}

/// Two roles and a schema that is guarded, by the names `<schema>_owner` and `<schema>_app`.
async fn guarded() -> (Place, PostgresStore, String) {
    let place = Place::new().await;
    let (owner, app) = (
        format!("{}_owner", place.schema),
        format!("{}_app", place.schema),
    );
    let roles = format!("CREATE ROLE {owner}; CREATE ROLE {app} LOGIN");
    Postgres::shared().await.query("postgres", &roles).await;
    let admin = place.open().await;
    admin.guard(&owner, &app).await.unwrap();
    (place, admin, app)
}

#[tokio::test]
async fn a_guarded_role_can_do_everything_the_service_does() {
    let (place, _, app) = guarded().await;
    for pgbouncer in [false, true] {
        let config = as_role(&place, &app).await.with_pgbouncer(pgbouncer);
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
        assert!(store.durability().await.unwrap().survives_crash());
    }
    let store = PostgresStore::open(&as_role(&place, &app).await)
        .await
        .unwrap();
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), 8);
}

#[tokio::test]
async fn a_guarded_role_cannot_read_or_write_a_table() {
    let (place, admin, app) = guarded().await;
    create(&admin, "42").await;
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
    let plain = as_role(&place, &app).await.with_guarded(false);
    let store = PostgresStore::connect(&plain).await.unwrap();
    let error = store.load(&key("42")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Internal);
}

#[tokio::test]
async fn a_guarded_schema_can_be_migrated_by_its_owner_and_guarded_again() {
    let (place, admin, app) = guarded().await;
    admin.migrate().await.unwrap();
    let owner = format!("{}_owner", place.schema);
    admin.guard(&owner, &app).await.unwrap();
    let store = PostgresStore::open(&as_role(&place, &app).await)
        .await
        .unwrap();
    create(&store, "42").await;
    commit(&store, "42").await;
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn nobody_else_may_call_anything() {
    let (place, _, _) = guarded().await;
    let stranger = format!("{}_stranger", place.schema);
    let role = format!("CREATE ROLE {stranger} LOGIN");
    Postgres::shared().await.query("postgres", &role).await;
    let store = PostgresStore::open(&as_role(&place, &stranger).await).await;
    assert_eq!(store.unwrap_err().kind(), StoreErrorKind::Internal);
}
