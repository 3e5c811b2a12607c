//! Which hashes are made anew and at what cost, and which are let in from elsewhere.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use base64ct::{Base64Unpadded, Encoding};
use portcullis_core::{
    Argon2Params, Argon2id, Caller, Engine, ErrorKind, HashPoolConfig, HashRefusal, HashString,
    ImportUser, ImportedPassword, KeyId, OrgId, PasswordHasher, PasswordService, Pepper,
    Permission, Policies, danger,
    store::{StoredHash, UserState},
};

use crate::world::{Counting, RIGHT, World, cheap, key, secret, user};

fn pepper(id: &[u8; 1]) -> Pepper {
    Pepper::new(KeyId::new(id).unwrap(), id.repeat(32)).unwrap()
}

fn hasher(memory: u32, passes: u32, lanes: u32) -> Argon2id {
    Argon2id::new(Argon2Params::new(memory, passes, lanes).unwrap())
}

/// What is stored of a user whose hash was this one, after a login by its password.
async fn after_login(hash: &HashString, hasher: Argon2id) -> (bool, HashString) {
    let world = World::with(Policies::default(), Counting::over(hasher), |builder, _| {
        builder
    });
    world.person("alice", UserState::Active, false).await;
    world.memory.damage_hash(&key("alice"), hash.as_stored());
    let rehashed = world.check("alice", RIGHT).await.unwrap().rehashed;
    let again = world.check("alice", RIGHT).await.unwrap();
    assert!(!again.rehashed, "once is enough");
    match world.record("alice").await.credential.hash {
        StoredHash::Readable(stored) => (rehashed, stored),
        other => panic!("{other:?}"),
    }
}

/// How long salt and tag are.
fn parts(hash: &HashString) -> [usize; 2] {
    let mut parts = hash.as_stored().rsplit('$').map(str::len);
    let tag = parts.next().unwrap();
    [parts.next().unwrap(), tag]
}

#[tokio::test]
async fn a_new_pepper_reaches_a_costlier_hash_at_its_own_cost() {
    for (memory, passes, lanes) in [(64, 1, 1), (16, 3, 1), (8, 10, 1), (128, 2, 4)] {
        for old in [None, Some(pepper(b"a"))] {
            let made_by = hasher(memory, passes, lanes);
            let made_by = match old {
                Some(old) => made_by.with_pepper(old, None),
                None => made_by,
            };
            let hash = made_by.hash(&secret(RIGHT)).unwrap();
            let own = hasher(16, 2, 1).with_pepper(pepper(b"b"), Some(pepper(b"a")));
            let (rehashed, stored) = after_login(&hash, own).await;
            assert!(rehashed, "m={memory},t={passes},p={lanes}");
            assert_eq!(stored.key_id(), Some(&KeyId::new(b"b").unwrap()));
            assert_eq!(stored.suite(), hash.suite(), "not one part of it is less");
            assert!(parts(&stored) >= parts(&hash), "salt and tag");
        }
    }
}

/// A hash of the right password, as another program made it.
fn foreign(salt: &[u8], tag: &mut [u8]) -> HashString {
    use portcullis_argon2::{Arena, Argon2, Params, Variant, Version};
    let params = Params::new(64, 1, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    argon2
        .hash_into(&mut Arena::new(), RIGHT.as_bytes(), salt, tag)
        .unwrap();
    let [salt, tag] = [salt, &*tag].map(Base64Unpadded::encode_string);
    HashString::parse(&format!("$argon2id$v=19$m=64,t=1,p=1${salt}${tag}")).unwrap()
}

#[tokio::test]
async fn a_new_pepper_shortens_neither_salt_nor_tag() {
    for (salt, tag) in [(24, 48), (8, 16), (24, 16), (8, 48)] {
        let hash = foreign(&vec![7; salt], &mut vec![0; tag]);
        let own = cheap(16).with_pepper(pepper(b"b"), None);
        let (rehashed, stored) = after_login(&hash, own).await;
        assert!(rehashed);
        let usual = parts(&cheap(16).hash(&secret(RIGHT)).unwrap());
        let (before, after) = (parts(&hash), parts(&stored));
        for part in 0..2 {
            assert_eq!(after[part], before[part].max(usual[part]), "{salt} {tag}");
        }
    }
}

#[tokio::test]
async fn a_new_pepper_takes_a_cheaper_hash_to_todays_cost() {
    for memory in [8, 16] {
        let old = cheap(memory).with_pepper(pepper(b"a"), None);
        let hash = old.hash(&secret(RIGHT)).unwrap();
        let own = cheap(16).with_pepper(pepper(b"b"), Some(pepper(b"a")));
        let (rehashed, stored) = after_login(&hash, own).await;
        assert!(rehashed);
        assert_eq!(stored.suite(), "argon2id,m=16,t=1,p=1");
    }
}

#[tokio::test]
async fn a_costlier_hash_with_todays_pepper_stays() {
    let hash = cheap(64).with_pepper(pepper(b"a"), None);
    let hash = hash.hash(&secret(RIGHT)).unwrap();
    let own = cheap(16).with_pepper(pepper(b"a"), None);
    let (rehashed, stored) = after_login(&hash, own).await;
    assert!(!rehashed);
    assert_eq!(stored.as_stored(), hash.as_stored());
}

#[tokio::test]
async fn what_is_hashed_anew_is_charged_what_it_costs() {
    let old = cheap(64).with_pepper(pepper(b"a"), None);
    let hash = old.hash(&secret(RIGHT)).unwrap();
    let own = Counting::over(cheap(16).with_pepper(pepper(b"b"), Some(pepper(b"a"))));
    let world = World::with(Policies::default(), own, |builder, _| builder);
    world.person("alice", UserState::Active, false).await;
    world.memory.damage_hash(&key("alice"), hash.as_stored());
    assert!(world.check("alice", RIGHT).await.unwrap().rehashed);
    let (hashes, compares, work) = world.hasher.take();
    assert_eq!((hashes, compares, work), (1, 1, 64 + 64));
    assert_eq!(world.hasher.hashes.load(SeqCst), 0);
}

/// What becomes of a hash that is imported.
async fn import(hash: &str, hasher: Arc<dyn PasswordHasher>, memory: u64) -> Result<(), ErrorKind> {
    let config = HashPoolConfig::default().with_memory(memory);
    let world = World::new(Policies::default());
    let engine = Engine::builder(world.store.clone()).with_hasher(hasher);
    let engine = engine.with_pool(config).build().unwrap();
    let hash = ImportedPassword::Hash(HashString::parse(hash).unwrap());
    let request = ImportUser::new("alice", hash);
    let (admin, acme) = (
        Caller::new(user("admin"), None),
        OrgId::new("acme").unwrap(),
    );
    let proof = danger::assume(admin, acme, Permission::UserWrite, "");
    let imported = engine.import_user(&proof, request).await;
    let imported = imported.map(drop).map_err(|error| error.kind().clone());
    let written = world.store.take().contains(&"create");
    assert_eq!(written, imported.is_ok(), "what is refused is not written");
    imported
}

#[tokio::test]
async fn a_hash_that_could_never_be_compared_is_not_let_in() {
    let refused = |refusal| Err(ErrorKind::HashRefused(refusal));
    let plain = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
    let peppered = |id: &str| plain.replace("p=1", &format!("p=1,keyid={id}"));
    let own = || Arc::new(cheap(8).with_pepper(pepper(b"b"), Some(pepper(b"a"))));
    for good in [plain.to_owned(), peppered("YQ"), peppered("Yg")] {
        assert_eq!(import(&good, own(), 1 << 20).await, Ok(()), "{good}");
    }
    let unknown = import(&peppered("Yw"), own(), 1 << 20).await;
    assert_eq!(unknown, refused(HashRefusal::Unreadable));
    let without = import(&peppered("YQ"), Arc::new(cheap(8)), 1 << 20).await;
    assert_eq!(without, refused(HashRefusal::Unreadable));
    let large = import(plain, own(), 63 << 10).await;
    assert_eq!(large, refused(HashRefusal::OutOfBounds));
}

#[cfg(feature = "bcrypt")]
#[tokio::test]
async fn bcrypt_is_let_in_where_it_is_configured() {
    use portcullis_core::{LongPasswords, WithBcrypt};
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let refused = Err(ErrorKind::HashRefused(HashRefusal::Unsupported));
    assert_eq!(import(hash, Arc::new(cheap(8)), 1 << 20).await, refused);
    let with = WithBcrypt::new(Arc::new(cheap(8)), LongPasswords::Refuse);
    assert_eq!(import(hash, Arc::new(with), 1 << 20).await, Ok(()));
}
