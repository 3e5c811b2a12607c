//! Puts the routes together.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{any, get},
};
use connectrpc::{
    Chain, CompressionPolicy, CompressionRegistry, ConnectRpcService, DeadlinePolicy, GzipProvider,
};
use portcullis_core::{
    AnswerMode, Authority, OsRandom, PasswordService, PolicyService, RandomSource, SessionService,
    StoreHealth,
};

use crate::{
    authenticate::TokenAuthenticator,
    body::MAX_FRAMED,
    call::Gate,
    endpoints::service,
    limits::Limits,
    methods, middleware, operations, rest,
    rpc::{self, PasswordRpc},
};

/// ZITADEL's password API over any [`PasswordService`].
///
/// It binds no port and installs nothing: it becomes one [`axum::Router`].
#[derive(Debug)]
#[must_use]
pub struct ZitadelApi {
    gate: Gate,
    limits: Limits,
    random: Arc<dyn RandomSource>,
    health: Option<Arc<dyn StoreHealth>>,
}

impl ZitadelApi {
    /// An API over this service, for callers that `authenticator` knows and `authority` lets.
    ///
    /// ```
    /// # use async_trait::async_trait;
    /// # use portcullis_core::{Access, Authority, Caller, Error, Verdict};
    /// # use portcullis_zitadel_api::{BearerToken, TokenAuthenticator};
    /// # #[derive(Debug)] struct MyApp;
    /// # #[async_trait] impl Authority for MyApp {
    /// #     async fn decide(&self, _: Access<'_>) -> Result<Verdict, Error> { Ok(Verdict::PermissionDenied) }
    /// # }
    /// # #[async_trait] impl TokenAuthenticator for MyApp {
    /// #     async fn authenticate(&self, _: &BearerToken) -> Result<Option<Caller>, Error> { Ok(None) }
    /// # }
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore};
    /// use portcullis_zitadel_api::ZitadelApi;
    /// let store = Arc::new(MemoryStore::new());
    /// let service = Arc::new(Engine::builder(store.clone()).build()?);
    /// let app: axum::Router = ZitadelApi::new(service, Arc::new(MyApp), Arc::new(MyApp))
    ///     .with_health(store)
    ///     .router();
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn new(
        service: Arc<dyn PasswordService>,
        authenticator: Arc<dyn TokenAuthenticator>,
        authority: Arc<dyn Authority>,
    ) -> Self {
        Self {
            gate: Gate {
                service,
                authenticator,
                authority,
                answers: AnswerMode::default(),
                policies: None,
                sessions: None,
            },
            limits: Limits::default(),
            random: Arc::new(OsRandom),
            health: None,
        }
    }

    /// How much refusals tell. The service has to be
    /// [built](portcullis_core::EngineBuilder::with_answers) with the same mode.
    pub fn with_answers(mut self, answers: AnswerMode) -> Self {
        self.gate.answers = answers;
        self
    }

    /// Where policies are read and written. Without it their methods are unimplemented.
    pub fn with_policies(mut self, policies: Arc<dyn PolicyService>) -> Self {
        self.gate.policies = Some(policies);
        self
    }

    /// Where sessions are kept. Without it their methods are unimplemented.
    pub fn with_sessions(mut self, sessions: Arc<dyn SessionService>) -> Self {
        self.gate.sessions = Some(sessions);
        self
    }

    /// Other bounds than the defaults.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What operation ids are drawn from where a caller gives none.
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// What `grpc.health.v1` answers from; without it that service is not served.
    pub fn with_health(mut self, health: Arc<dyn StoreHealth>) -> Self {
        self.health = Some(health);
        self
    }

    /// The whole API. Paths that it does not know are answered as ZITADEL answers them.
    pub fn router(self) -> Router {
        let shared = self.shared();
        let router = routes().fallback(rpc::unknown);
        layered(router, shared)
    }

    /// The API's own paths only, to be merged into a router that has a fallback.
    pub fn routes(self) -> Router {
        let shared = self.shared();
        layered(routes(), shared)
    }

    fn shared(self) -> Arc<Shared> {
        let limits = connectrpc::Limits::default()
            .with_max_request_body_size(MAX_FRAMED)
            .with_max_message_size(Limits::MAX_BODY_BYTES);
        let deadlines = DeadlinePolicy::new()
            .with_max(self.limits.max_deadline)
            .with_default_timeout(self.limits.default_deadline);
        let dispatcher = Chain(
            standard_services(self.health),
            PasswordRpc(self.gate.clone()),
        );
        let rpc = ConnectRpcService::new(dispatcher)
            .with_limits(limits)
            .with_deadline_policy(deadlines)
            .with_compression(CompressionRegistry::new().register(GzipProvider::new()))
            .with_compression_policy(CompressionPolicy::default().with_min_size(0));
        Arc::new(Shared {
            gate: self.gate,
            limits: self.limits,
            random: self.random,
            rpc,
        })
    }
}

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) gate: Gate,
    pub(crate) limits: Limits,
    pub(crate) random: Arc<dyn RandomSource>,
    pub(crate) rpc: ConnectRpcService<Chain<connectrpc::Router, PasswordRpc>>,
}

fn routes() -> Router<Arc<Shared>> {
    let router = methods::rest().route(
        "/portcullis/v1/operations/{organisation}/{user}/{operation}",
        get(operations::get).fallback(rest::method_not_allowed),
    );
    let services = STANDARD_SERVICES.iter().chain(&service::ALL);
    services.fold(router, |router, service| {
        router.route(&format!("/{service}/{{method}}"), any(rpc::serve))
    })
}

const STANDARD_SERVICES: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

fn layered(router: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    router
        .layer(from_fn_with_state(shared.clone(), middleware::around))
        .layer(middleware::cors())
        .with_state(shared)
}

fn standard_services(health: Option<Arc<dyn StoreHealth>>) -> connectrpc::Router {
    let router = connectrpc::Router::new();
    #[cfg(feature = "health")]
    let router = match health {
        Some(health) => crate::health::install(router, health),
        None => router,
    };
    #[cfg(not(feature = "health"))]
    drop(health);
    #[cfg(feature = "reflection")]
    let router = crate::reflection::install(router);
    router
}
