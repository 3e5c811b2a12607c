//! The scripts. Their text is constant: whatever a caller says is in KEYS and ARGV.

use std::sync::OnceLock;

use redis::{Cmd, cmd};

/// A script, which Redis knows by the digest of its text once it has seen it.
pub(crate) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            digest: OnceLock::new(),
        }
    }

    pub(crate) fn call(&self, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        let digest = || redis::Script::new(self.text).get_hash().to_owned();
        let mut call = cmd("EVALSHA");
        call.arg(self.digest.get_or_init(digest)).arg(keys.len());
        call.arg(keys).arg(arguments);
        call
    }

    pub(crate) fn load(&self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(self.text);
        load
    }
}

/// A script on a user or a sham.
macro_rules! on_subject {
    ($file:literal) => {
        Script::new(concat!(
            include_str!("lua/common.lua"),
            include_str!("lua/user.lua"),
            include_str!(concat!("lua/", $file)),
        ))
    };
}

pub(crate) static CLAIM: Script = Script::new(include_str!("lua/claim.lua"));
pub(crate) static COMMIT: Script = on_subject!("commit.lua");
pub(crate) static CREATE: Script = on_subject!("create.lua");
pub(crate) static RELEASE: Script = Script::new(include_str!("lua/release.lua"));
pub(crate) static SETTLE: Script = on_subject!("settle.lua");
pub(crate) static TAKE: Script = on_subject!("take.lua");
pub(crate) static UPGRADE: Script = on_subject!("upgrade.lua");
