#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod authority;
mod clock;
mod details;
mod engine;
mod error;
mod hash;
mod hash_string;
mod id;
pub mod metrics;
mod policy;
mod random;
mod secret;
mod service;
mod status;
pub mod store;

pub use authority::{Access, Authority, Authorized, Caller, Permission, Verdict, danger};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp, not_before};
pub use details::ObjectDetails;
pub use engine::{Engine, EngineBuilder};
pub use error::{BoxError, Error, ErrorKind, StoreError, StoreErrorKind};
pub use hash::{Admission, HashCost, HashError, HashKind, HashPool, HashPoolConfig};
pub use hash::{Argon2Params, Argon2ParamsError, Argon2id, PasswordHasher};
pub use hash_string::{HashDigest, HashString, HashStringError, Variant};
pub use id::{IdError, Operation, OperationId, OperationIdError, OrgId, UserId, UserKey};
pub use policy::{
    ComplexityPolicy, ComplexityPolicyError, PolicyStore, StaticPolicies, Violation, Violations,
};
pub use random::{OsRandom, RandomError, RandomSource};
pub use secret::{Composition, Password, PasswordError};
pub use service::{PasswordService, SetInitialPassword, SetPassword};
pub use status::{Code, Detail, ErrorStatus, FieldViolation};
pub use store::{MemoryStore, StoreHealth, UserStore};
