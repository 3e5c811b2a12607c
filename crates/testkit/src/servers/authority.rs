//! Certificates for servers that are reached over TLS.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{binary, blocking, port::Port, sandbox::Sandbox, settings::Settings};

/// A certificate authority that nobody knows, and one certificate of it for `localhost` and
/// `127.0.0.1`. Its files are gone when it is dropped.
#[derive(Debug)]
pub struct Authority {
    sandbox: Sandbox,
    port: Port,
}

impl Authority {
    /// Makes one.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{Authority, Postgres};
    /// let authority = Authority::new().await;
    /// let postgres = Postgres::start_with(authority.postgres()).await;
    /// let url = format!(
    ///     "{}?sslmode=verify-full&sslrootcert={}",
    ///     postgres.url("postgres"),
    ///     authority.certificate().display()
    /// );
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When `openssl` fails.
    pub async fn new() -> Self {
        blocking(|| {
            // PostgreSQL reads no key that belongs to another user.
            let sandbox = Sandbox::unprivileged();
            let program = binary::find("openssl", "openssl");
            let extensions = sandbox.directory().join("extensions");
            fs::write(extensions, EXTENSIONS).expect("a file for openssl");
            for command in [AUTHORITY, REQUEST, CERTIFICATE] {
                let words: Vec<_> = command.split_whitespace().collect();
                sandbox.run(&program, &words);
            }
            Self {
                sandbox,
                port: Port::claim(),
            }
        })
        .await
    }

    /// The certificate of the authority, which clients are to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// With these PostgreSQL offers TLS.
    #[must_use]
    pub fn postgres(&self) -> Settings {
        Settings::new()
            .with("ssl", "on")
            .with("ssl_cert_file", text(&self.file("server.pem")))
            .with("ssl_key_file", text(&self.file("server.key")))
    }

    /// With these one Redis server listens to TLS at [`redis_address`](Self::redis_address) too.
    #[must_use]
    pub fn redis(&self) -> Settings {
        Settings::new()
            .with("tls-port", self.port.number().to_string())
            .with("tls-cert-file", text(&self.file("server.pem")))
            .with("tls-key-file", text(&self.file("server.key")))
            .with("tls-auth-clients", "no")
    }

    /// Where a Redis server with [these settings](Self::redis) listens to TLS.
    #[must_use]
    pub fn redis_address(&self) -> SocketAddr {
        self.port.address()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.sandbox.directory().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

const EXTENSIONS: &str = "basicConstraints = critical, CA:FALSE\n\
    extendedKeyUsage = serverAuth\n\
    subjectAltName = DNS:localhost, IP:127.0.0.1\n";
const AUTHORITY: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=authority -keyout ca.key -out ca.pem";
const REQUEST: &str = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=localhost -keyout server.key -out server.csr";
const CERTIFICATE: &str = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
    -days 2 -extfile extensions -out server.pem";
