//! The core, embedded: one store, one engine, one password.

use std::{error::Error, sync::Arc};

use portcullis_core::{
    Caller, Engine, MemoryStore, OperationId, OrgId, OsRandom, Password, PasswordService,
    Permission, SetPassword, UserId, UserKey, UserStore, danger,
    store::{NewUser, UserKind},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The embedding application chooses the store; this one forgets everything at the end.
    let store = Arc::new(MemoryStore::new());
    let service = Engine::builder(store.clone()).build()?;

    let (acme, alice) = (OrgId::new("acme")?, UserId::new("42")?);
    let key = UserKey::new(acme.clone(), alice.clone());
    let operation = OperationId::random(&OsRandom)?;
    store
        .create(&NewUser::new(key, "alice", UserKind::Human, operation))
        .await?;

    // A server asks its `Authority` for this proof; a tool on the operator's own machine may not
    // need to.
    let operator = Caller::new(UserId::new("operator")?, None);
    let proof = danger::assume(operator, acme, Permission::UserWrite, "42");

    let weak = Password::new("secret".to_owned())?;
    let refused = service
        .set_password(&proof, SetPassword::new(alice.clone(), weak))
        .await;
    eprintln!(
        "refused: {:?}",
        refused.err().ok_or("a weak password was taken")?.kind()
    );

    let good = Password::new("Secret-1234".to_owned())?;
    let details = service
        .set_password(&proof, SetPassword::new(alice, good))
        .await?;
    eprintln!("set: event {} of alice", details.sequence);
    Ok(())
}
