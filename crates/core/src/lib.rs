#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod authority;
mod clock;
mod code;
mod derived;
mod details;
mod engine;
mod error;
mod hash;
mod hash_string;
mod id;
mod login_name;
pub mod metrics;
mod policy;
mod random;
mod secret;
mod service;
mod session;
mod status;
pub mod store;
mod timer;

pub use authority::{Access, Authority, Authorized, Caller, Permission, Verdict, danger};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp, not_before};
pub use code::{ResetCode, ResetCodeError};
pub use details::ObjectDetails;
pub use engine::{Engine, EngineBuilder};
pub use error::{BoxError, Error, ErrorKind, StoreError, StoreErrorKind};
pub use error::{PolicyRefusal, Refusal, ResetRefusal, SessionRefusal, StateRefusal};
pub use hash::{Admission, HashCost, HashError, HashKind, HashPool, HashPoolConfig};
pub use hash::{Argon2Params, Argon2ParamsError, Argon2id, PasswordHasher, Pepper, PepperError};
#[cfg(feature = "bcrypt")]
pub use hash::{LongPasswords, WithBcrypt};
pub use hash_string::{
    HashDigest, HashRefusal, HashString, HashStringError, KeyId, Suite, Variant,
};
pub use id::{IdError, Operation, OperationId, OperationIdError, OrgId, UserId, UserKey};
pub use login_name::{Claim, LoginNames};
pub use policy::{AgePolicy, Expiry, LockoutPolicy, Policies, ResetCodePolicy};
pub use policy::{
    AgeTerms, ChangePolicy, LockoutTerms, PolicyChange, PolicyKind, PolicyScope, PolicyService,
    PolicyTerms, PolicyView, StoredPolicies,
};
pub use policy::{
    ComplexityPolicy, ComplexityPolicyError, PolicyStore, StaticPolicies, Violation, Violations,
};
pub use random::{OsRandom, RandomError, RandomSource};
pub use secret::{Composition, Password, PasswordError};
pub use service::{
    ChangePassword, ChangeState, CheckPassword, Evidence, ImportUser, ImportedPassword,
    IssueInitialPassword, RequestReset, StateChange,
};
pub use service::{Imported, InitialPassword, ResetRequested, UserView, Verified};
pub use service::{PasswordService, SetInitialPassword, SetPassword};
pub use session::{
    CreateSession, SessionIssued, SessionService, SessionToken, SessionView, Sessions, SetSession,
};
pub use status::{AnswerMode, Code, Detail, ErrorStatus, FieldViolation};
pub use store::{MemoryStore, StoreHealth, UserStore};
pub use timer::{ThreadTimer, Timer};
