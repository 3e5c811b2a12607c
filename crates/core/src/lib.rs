#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod authority;
mod clock;
mod code;
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
mod timer;

pub use authority::{Access, Authority, Authorized, Caller, Permission, Verdict, danger};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp, not_before};
pub use code::{ResetCode, ResetCodeError};
pub use details::ObjectDetails;
pub use engine::{Engine, EngineBuilder};
pub use error::{BoxError, Error, ErrorKind, StoreError, StoreErrorKind};
pub use error::{Refusal, ResetRefusal, StateRefusal};
pub use hash::{Admission, HashCost, HashError, HashKind, HashPool, HashPoolConfig};
pub use hash::{Argon2Params, Argon2ParamsError, Argon2id, PasswordHasher, Pepper, PepperError};
#[cfg(feature = "bcrypt")]
pub use hash::{LongPasswords, WithBcrypt};
pub use hash_string::{HashDigest, HashString, HashStringError, KeyId, Suite, Variant};
pub use id::{IdError, Operation, OperationId, OperationIdError, OrgId, UserId, UserKey};
pub use policy::{AgePolicy, Expiry, LockoutPolicy, Policies, ResetCodePolicy};
pub use policy::{
    ComplexityPolicy, ComplexityPolicyError, PolicyStore, StaticPolicies, Violation, Violations,
};
pub use random::{OsRandom, RandomError, RandomSource};
pub use secret::{Composition, Password, PasswordError};
pub use service::{
    ChangePassword, ChangeState, CheckPassword, Evidence, IssueInitialPassword, RequestReset,
    StateChange,
};
pub use service::{InitialPassword, ResetRequested, UserView, Verified};
pub use service::{PasswordService, SetInitialPassword, SetPassword};
pub use status::{AnswerMode, Code, Detail, ErrorStatus, FieldViolation};
pub use store::{MemoryStore, StoreHealth, UserStore};
pub use timer::{ThreadTimer, Timer};
