//! The cases, one file for each theme. Each is handed a world of its own.

pub(crate) mod codes;
pub(crate) mod commit;
pub(crate) mod commit_credential;
pub(crate) mod commit_replays;
pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod extremes;
pub(crate) mod identities;
pub(crate) mod ids;
pub(crate) mod load;
pub(crate) mod operation;
pub(crate) mod permit_ids;
pub(crate) mod races;
pub(crate) mod races_attempts;
pub(crate) mod settle_attempt;
pub(crate) mod shams;
pub(crate) mod take_attempt;
pub(crate) mod time;
pub(crate) mod upgrade_hash;
pub(crate) mod waits;
