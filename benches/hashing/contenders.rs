//! Everything that hashes here, at one cost, for any number of callers.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use argon2::{Algorithm, Block, Version};
use portcullis_argon2::{Arena, Argon2, Kernel, Params, Variant};
use portcullis_core::{HashKind, HashString, OrgId, Password};
use sha2::Sha256;

use crate::pools;

/// Memory in KiB, passes and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    pub(crate) const fn new(memory: u32, passes: u32, lanes: u32) -> Self {
        Self {
            memory,
            passes,
            lanes,
        }
    }

    pub(crate) fn mebibytes(self) -> f64 {
        f64::from(self.memory) / 1024.0
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, t={}", self.mebibytes(), self.passes)?;
        if self.lanes > 1 {
            write!(f, ", p={}", self.lanes)?;
        }
        Ok(())
    }
}

/// The five of OWASP's Password Storage Cheat Sheet.
pub(crate) const OWASP: [Cost; 5] = [
    Cost::new(47_104, 1, 1),
    Cost::new(19_456, 2, 1),
    Cost::new(12_288, 3, 1),
    Cost::new(9_216, 4, 1),
    Cost::new(7_168, 5, 1),
];
/// The second recommendation of RFC 9106, section 4.
pub(crate) const RFC: Cost = Cost::new(65_536, 3, 4);
/// The first.
pub(crate) const RFC_FIRST: Cost = Cost::new(2_097_152, 1, 4);
/// Not of a list, but what the bars are stated for.
pub(crate) const ONE_LANE: Cost = Cost::new(65_536, 3, 1);

/// What one caller does again and again, on memory of its own where memory is kept.
pub(crate) type Caller = Box<dyn FnMut() -> [u8; 32] + Send>;

/// One way to hash.
pub(crate) struct Contender {
    pub(crate) name: String,
    start: Box<dyn Fn() -> Caller>,
}

impl Contender {
    pub(crate) fn new(name: impl Into<String>, start: impl Fn() -> Caller + 'static) -> Self {
        Self {
            name: name.into(),
            start: Box::new(start),
        }
    }

    pub(crate) fn callers(&self, number: usize) -> Vec<Caller> {
        (0..number).map(|_| (self.start)()).collect()
    }
}

pub(crate) const CRATE_FRESH: &str = "argon2 crate, fresh memory";
pub(crate) const CRATE_KEPT: &str = "argon2 crate, kept memory";
pub(crate) const ARGON2_RUST: &str = "argon2-rust, fresh memory";
pub(crate) const ARGON2_RUST_HASHER: &str = "argon2-rust, Hasher";
pub(crate) const RUST_ARGON2: &str = "rust-argon2";
pub(crate) const ADMITTED: &str = "portcullis, HashPool";

pub(crate) fn ours(kernel: Kernel) -> String {
    format!("portcullis, {kernel}")
}

/// Every Argon2id, the baseline first.
pub(crate) fn argon2id(cost: Cost) -> Vec<Contender> {
    let mut all = vec![
        Contender::new(CRATE_FRESH, move || {
            Box::new(move || {
                by_crate(cost, |crate_, tag| {
                    crate_.hash_password_into(PASSWORD, SALT, tag)
                })
            })
        }),
        Contender::new(CRATE_KEPT, move || {
            let mut memory = vec![Block::default(); by_crate_params(cost).block_count()];
            Box::new(move || {
                by_crate(cost, |crate_, tag| {
                    crate_.hash_password_into_with_memory(PASSWORD, SALT, tag, &mut memory)
                })
            })
        }),
        Contender::new(ARGON2_RUST, move || {
            Box::new(move || {
                let mut tag = [0; 32];
                by_argon2_rust(cost)
                    .hash_into(PASSWORD, SALT, &mut tag)
                    .unwrap();
                tag
            })
        }),
        Contender::new(ARGON2_RUST_HASHER, move || {
            let mut hasher = by_argon2_rust(cost).hasher();
            Box::new(move || {
                let mut tag = [0; 32];
                hasher.hash_into(PASSWORD, SALT, &mut tag).unwrap();
                tag
            })
        }),
        Contender::new(RUST_ARGON2, move || Box::new(move || by_rust_argon2(cost))),
    ];
    all.extend(Kernel::available().into_iter().map(|kernel| {
        Contender::new(ours(kernel), move || {
            let mut arena = Arena::new();
            Box::new(move || by_us(cost, kernel, &mut arena))
        })
    }));
    all
}

/// The best kernel behind admission: as many threads as cores, whoever calls. Each caller
/// compares a password, so that the tag is checked as well.
pub(crate) fn admitted(cost: Cost) -> Contender {
    let pool = Arc::new(pools::pool(cost, Kernel::detected(), 512));
    let tag = by_us(cost, Kernel::Portable, &mut Arena::new());
    let hash = Arc::new(hash_string(cost));
    Contender::new(ADMITTED, move || {
        let (pool, hash) = (Arc::clone(&pool), Arc::clone(&hash));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (acme, password) = (OrgId::new("acme").unwrap(), password());
        Box::new(move || {
            let verify = pool.verify(HashKind::Compare, &acme, &password, Arc::clone(&hash));
            assert!(runtime.block_on(verify).unwrap());
            tag
        })
    })
}

/// Other functions, at what OWASP asks of them or what is often used.
pub(crate) fn other_functions() -> Vec<Contender> {
    let bcrypt = |cost: u32| {
        Contender::new(format!("bcrypt, cost {cost}"), move || {
            Box::new(move || {
                let mut tag = [0; 32];
                tag[..24].copy_from_slice(&bcrypt::bcrypt(cost, *SALT, PASSWORD));
                tag
            })
        })
    };
    vec![
        bcrypt(10),
        bcrypt(12),
        Contender::new("scrypt, N=2¹⁷, r=8, p=1", || {
            let params = scrypt::Params::new(17, 8, 1).unwrap();
            Box::new(move || {
                let mut tag = [0; 32];
                scrypt::scrypt(PASSWORD, SALT, &params, &mut tag).unwrap();
                tag
            })
        }),
        Contender::new("PBKDF2-HMAC-SHA-256, 600,000", || {
            Box::new(|| pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(PASSWORD, SALT, 600_000))
        }),
    ]
}

/// All must agree before anything is timed.
pub(crate) fn assert_agreement(contenders: &[Contender]) {
    let mut expected = None;
    for contender in contenders {
        let tag = contender.callers(1)[0]();
        let first = *expected.get_or_insert(tag);
        assert_eq!(tag, first, "{} computes another hash", contender.name);
    }
}

pub(crate) fn by_us(cost: Cost, kernel: Kernel, arena: &mut Arena) -> [u8; 32] {
    let params = Params::new(cost.memory, cost.passes, cost.lanes).unwrap();
    let version = portcullis_argon2::Version::V0x13;
    let argon2 = Argon2::new(Variant::Argon2id, version, params).with_kernel(kernel);
    let mut tag = [0; 32];
    argon2.hash_into(arena, PASSWORD, SALT, &mut tag).unwrap();
    tag
}

fn by_crate(
    cost: Cost,
    hash: impl FnOnce(argon2::Argon2<'_>, &mut [u8]) -> argon2::Result<()>,
) -> [u8; 32] {
    let params = by_crate_params(cost);
    let argon2 = argon2::Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut tag = [0; 32];
    hash(argon2, &mut tag).unwrap();
    tag
}

fn by_crate_params(cost: Cost) -> argon2::Params {
    argon2::Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).unwrap()
}

fn by_argon2_rust(cost: Cost) -> argon2_rust::Argon2 {
    let params = argon2_rust::Params::builder()
        .memory(argon2_rust::params::Memory::kib(cost.memory.into()))
        .passes(cost.passes)
        .lanes(cost.lanes)
        .threads(1)
        .build()
        .unwrap();
    let (algorithm, version) = (
        argon2_rust::Algorithm::Argon2id,
        argon2_rust::Version::V0x13,
    );
    argon2_rust::Argon2::new(algorithm, version, params)
}

fn by_rust_argon2(cost: Cost) -> [u8; 32] {
    let config = rust_argon2::Config {
        mem_cost: cost.memory,
        time_cost: cost.passes,
        lanes: cost.lanes,
        thread_mode: rust_argon2::ThreadMode::Sequential,
        variant: rust_argon2::Variant::Argon2id,
        version: rust_argon2::Version::Version13,
        hash_length: 32,
        ..rust_argon2::Config::default()
    };
    let tag = rust_argon2::hash_raw(PASSWORD, SALT, &config).unwrap();
    tag.try_into().unwrap()
}

/// The hash of the password of this bench, as a store would have it.
pub(crate) fn hash_string(cost: Cost) -> HashString {
    use base64ct::{Base64Unpadded, Encoding};
    let tag = by_us(cost, Kernel::Portable, &mut Arena::new());
    let Cost {
        memory,
        passes,
        lanes,
    } = cost;
    let (salt, tag) = (
        Base64Unpadded::encode_string(SALT),
        Base64Unpadded::encode_string(&tag),
    );
    let text = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}");
    HashString::parse(&text).unwrap()
}

pub(crate) fn password() -> Arc<Password> {
    static SHARED: LazyLock<Arc<Password>> = LazyLock::new(|| {
        let text = String::from_utf8(PASSWORD.to_vec()).unwrap();
        Arc::new(Password::new(text).unwrap())
    });
    Arc::clone(&SHARED)
}

pub(crate) const PASSWORD: &[u8] = b"correct horse battery";
pub(crate) const SALT: &[u8; 16] = b"16 random bytes.";
