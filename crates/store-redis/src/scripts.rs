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

/// A script on a user, a sham or a document, after what it has in common with others.
macro_rules! script {
    ($($file:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $file, ".lua"))),+))
    };
}

pub(crate) static CLAIM: Script = script!("claim");
pub(crate) static COMMIT: Script = script!("common", "user", "budget", "commit");
pub(crate) static CREATE: Script = script!("common", "user", "create");
pub(crate) static DOCUMENT: Script = script!("common", "document");
pub(crate) static LOOK: Script = script!("look");
pub(crate) static RELEASE: Script = script!("release");
pub(crate) static SETTLE: Script = script!("common", "user", "budget", "settle");
pub(crate) static TAKE: Script = script!("common", "user", "budget", "take");
pub(crate) static UPGRADE: Script = script!("common", "user", "upgrade");
