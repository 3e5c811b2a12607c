//! Puts an engine together.

use std::{io, sync::Arc};

use zeroize::Zeroizing;

use super::{Engine, hashing::Hashing, sham::ShamKey};
use crate::{
    clock::{Clock, SystemClock},
    code::ServiceKey,
    hash::{Argon2id, HashPoolConfig, PasswordHasher},
    hash_string::Suite,
    id::OperationId,
    login_name::LoginNames,
    policy::{PolicyStore, StaticPolicies},
    random::{OsRandom, RandomSource},
    status::AnswerMode,
    store::{DocumentStore, UserStore},
    timer::{ThreadTimer, Timer},
};

/// Puts an [`Engine`] together.
#[derive(Debug)]
#[must_use]
pub struct EngineBuilder {
    store: Arc<dyn UserStore>,
    policies: Arc<dyn PolicyStore>,
    hasher: Arc<dyn PasswordHasher>,
    pool: HashPoolConfig,
    suites: Vec<Suite>,
    clock: Arc<dyn Clock>,
    timer: Option<Arc<dyn Timer>>,
    random: Arc<dyn RandomSource>,
    answers: AnswerMode,
    documents: Option<Arc<dyn DocumentStore>>,
    sham_key: Option<ServiceKey>,
    code_key: Option<ServiceKey>,
}

impl EngineBuilder {
    pub(super) fn new(store: Arc<dyn UserStore>) -> Self {
        Self {
            store,
            policies: Arc::new(StaticPolicies::default()),
            hasher: Arc::new(Argon2id::default()),
            pool: HashPoolConfig::default(),
            suites: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            timer: None,
            random: Arc::new(OsRandom),
            answers: AnswerMode::default(),
            documents: None,
            sham_key: None,
            code_key: None,
        }
    }

    /// Where policies come from; ZITADEL's defaults apply to everybody otherwise.
    pub fn with_policies(mut self, policies: Arc<dyn PolicyStore>) -> Self {
        self.policies = policies;
        self
    }

    /// What hashes; Argon2id with m = 19 MiB, t = 2, p = 1 otherwise.
    pub fn with_hasher(mut self, hasher: Arc<dyn PasswordHasher>) -> Self {
        self.hasher = hasher;
        self
    }

    /// How many threads hash and how much may wait; one thread for each core otherwise.
    pub fn with_pool(mut self, pool: HashPoolConfig) -> Self {
        self.pool = pool;
        self
    }

    /// With what else, beside the hasher's own suite, passwords in the store are hashed.
    ///
    /// A refusal costs what the costliest of them costs, so that it does not tell whose password
    /// was compared. A costlier one that is loaded later is added by itself.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore};
    /// let costly = "argon2id,m=65536,t=3,p=1".parse()?;
    /// let engine = Engine::builder(Arc::new(MemoryStore::new())).with_suites([costly]).build()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_suites(mut self, suites: impl IntoIterator<Item = Suite>) -> Self {
        self.suites.extend(suites);
        self
    }

    /// What deadlines and ages are kept on; the system's clock otherwise.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// By what the engine waits for a permit; a [`ThreadTimer`] otherwise.
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = Some(timer);
        self
    }

    /// Where login names are kept, on the database that has the users, and a key that all servers
    /// share. Without it imported users have no login name, and two may have one username.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore};
    /// let store = Arc::new(MemoryStore::new());
    /// let engine = Engine::builder(store.clone()).with_documents(store).build()?;
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn with_documents(mut self, documents: Arc<dyn DocumentStore>) -> Self {
        self.documents = Some(documents);
        self
    }

    /// What operation ids, keys and initial passwords are drawn from; the operating system
    /// otherwise.
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// How much refusals tell. Give the same mode to [`ErrorStatus::of`](crate::ErrorStatus::of).
    pub fn with_answers(mut self, answers: AnswerMode) -> Self {
        self.answers = answers;
        self
    }

    /// By what ids that do not exist are spread over counters that stand in for them. Otherwise it
    /// is drawn at random once and kept in the [documents](Self::with_documents), if there are any.
    ///
    /// All servers on one store must have the same key, and keep it over restarts. Otherwise a
    /// guesser sees that an id has another counter on another server, and so does not exist.
    pub fn with_sham_key(mut self, key: [u8; 32]) -> Self {
        self.sham_key = Some(ServiceKey::new(key));
        self
    }

    /// From what reset codes are made; drawn at random otherwise.
    ///
    /// Whoever has it can make the code that an event is about. Services that deliver the codes
    /// of others need the key of those others; to check a code nobody needs it.
    pub fn with_code_key(mut self, key: [u8; 32]) -> Self {
        self.code_key = Some(ServiceKey::new(key));
        self
    }

    /// Starts the hashing threads, and a timer if none was given.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread, the random source a key, or when a new hash
    /// does not fit into the pool's memory.
    pub fn build(self) -> io::Result<Engine> {
        let draw = || {
            let mut key = Zeroizing::new([0; 32]);
            self.random.fill(&mut *key).map_err(io::Error::other)?;
            Ok::<_, io::Error>(key)
        };
        let sham_key = match self.sham_key {
            Some(key) => ShamKey::given(key),
            None => {
                let id = OperationId::random(&*self.random).map_err(io::Error::other)?;
                ShamKey::shared(self.documents.clone(), draw()?, id)
            }
        };
        let code_key = match self.code_key {
            Some(key) => key,
            None => ServiceKey::new(*draw()?),
        };
        Ok(Engine {
            sham_key,
            code_key,
            hashing: Hashing::start(self.hasher, self.pool, &self.clock, &self.suites)?,
            timer: match self.timer {
                Some(timer) => timer,
                None => Arc::new(ThreadTimer::start()?),
            },
            names: self.documents.map(|documents| {
                LoginNames::new(documents, Arc::clone(&self.store), Arc::clone(&self.clock))
            }),
            store: self.store,
            policies: self.policies,
            clock: self.clock,
            random: self.random,
            answers: self.answers,
        })
    }
}
