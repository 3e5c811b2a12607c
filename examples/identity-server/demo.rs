//! The first start without a bootstrap file: writes one and prints what to try.

use std::{
    fs, io,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use portcullis_core::{OsRandom, RandomSource};
use zeroize::Zeroizing;

use crate::BoxError;

const FILE: &str = "portcullis.toml";
const ORGANISATION: &str = "69629023906488334";
const USER: &str = "42";

/// The bootstrap file of a server that was given none, and the commands to try if it is new.
pub(crate) struct Demo {
    pub(crate) file: PathBuf,
    token: Option<Zeroizing<String>>,
}

impl Demo {
    /// Uses `./portcullis.toml`, which the first start writes.
    pub(crate) fn prepare() -> Result<Self, BoxError> {
        let file = PathBuf::from(FILE);
        if file.exists() {
            return Ok(Self { file, token: None });
        }
        let token = random_token()?;
        let written = write_new(&file, &contents(&token))?;
        Ok(Self {
            file,
            token: written.then_some(token),
        })
    }

    /// Ready-to-paste commands, once, at the first start.
    pub(crate) fn print(&self, address: SocketAddr) {
        let Some(token) = &self.token else { return };
        let text = commands(address, token);
        // Nobody to read it is no reason to stop.
        let _ = io::stdout().write_all(text.as_bytes());
    }
}

fn random_token() -> Result<Zeroizing<String>, BoxError> {
    let mut bytes = Zeroizing::new([0; 24]);
    OsRandom.fill(&mut *bytes)?;
    Ok(Zeroizing::new(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}

/// Writes the file whole or not at all, readable by its owner alone. False if another process
/// was first: its file counts.
fn write_new(path: &Path, contents: &str) -> io::Result<bool> {
    let draft = PathBuf::from(format!(".{FILE}.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(contents.as_bytes())?;
        file.sync_all()
    });
    // A hard link fails where a rename would replace the winner's file.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn contents(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!(
        r#"# What this server started with. Keep it secret: it holds a token.
# Users that are absent are created from it; existing ones are never touched.

[[org]]
id = "{ORGANISATION}"
name = "acme"

[org.password_complexity]
min_length = 8
uppercase = true
lowercase = true
number = true
symbol = true

[[user]]
id = "1"
org = "{ORGANISATION}"
username = "admin"
kind = "machine"

[[user]]
id = "{USER}"
org = "{ORGANISATION}"
username = "alice"
kind = "human"

[[member]]
user = "1"
org = "{ORGANISATION}"
roles = ["ORG_OWNER"]

[[token]]
user = "1"
token = "{token}"
"#
    ))
}

fn commands(address: SocketAddr, token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!(
        r#"Set alice's password over REST:

  curl -i http://{address}/management/v1/users/{USER}/password \
    -H 'Authorization: Bearer {token}' \
    -d '{{"password":"Secret-1234","noChangeRequired":true}}'

and over gRPC:

  grpcurl -plaintext -H 'Authorization: Bearer {token}' \
    -d '{{"userId":"{USER}","password":"Secret-1234","noChangeRequired":true}}' \
    {address} zitadel.management.v1.ManagementService/SetHumanPassword

Organisation, users and token are in ./{FILE}.

"#
    ))
}
