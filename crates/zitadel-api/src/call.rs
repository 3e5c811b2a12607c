//! The order of checks, once for every transport (contract sections 2.1 and 2.2).

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::HeaderMap;
use portcullis_core::{
    AnswerMode, Authority, Authorized, Caller, Error, ErrorKind, ErrorStatus, OrgId,
    PasswordService, PolicyService, SessionService,
};
use tokio::task::JoinSet;

use crate::{
    authenticate::{BearerToken, TokenAuthenticator, token_invalid},
    endpoint::{Access, Endpoint, Work},
    message::Malformed,
    metrics::{self, Transport},
    status::malformed,
    validate::{self, Named},
};

/// What every call needs, shared by all transports.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) service: Arc<dyn PasswordService>,
    pub(crate) authenticator: Arc<dyn TokenAuthenticator>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) answers: AnswerMode,
    pub(crate) policies: Option<Arc<dyn PolicyService>>,
    pub(crate) sessions: Option<Arc<dyn SessionService>>,
}

/// What a transport knows of a call besides its message.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) transport: Transport,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) operation: Named,
    pub(crate) time: TimeBudget,
}

/// When a call has to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeBudget {
    deadline: Instant,
}

impl TimeBudget {
    /// What is cut off the end, so that a lost race is told as one before the deadline falls.
    const MARGIN: Duration = Duration::from_millis(250);

    pub(crate) fn from_now(time: Duration) -> Self {
        let now = Instant::now();
        Self {
            deadline: now.checked_add(time).unwrap_or(now),
        }
    }

    /// How long lost races may be retried.
    pub(crate) fn for_retries(self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left - Self::MARGIN.min(left / 10)
    }

    pub(crate) fn deadline(self) -> tokio::time::Instant {
        self.deadline.into()
    }
}

impl Gate {
    /// Runs one endpoint: authentication, permission, validation, work.
    pub(crate) async fn run<E: Endpoint>(
        &self,
        call: &Call<'_>,
        request: Result<E, Malformed>,
    ) -> Result<E::Response, ErrorStatus> {
        let start = Instant::now();
        let result = self.in_time(call, self.checked(call, request)).await;
        metrics::count_request(E::NAME, call.transport, &result, start.elapsed());
        result
    }

    async fn checked<E: Endpoint>(
        &self,
        call: &Call<'_>,
        request: Result<E, Malformed>,
    ) -> Result<E::Response, ErrorStatus> {
        let caller = self.authenticate(call.headers).await?;
        let (access, organisation) = match &request {
            Ok(request) => (request.access(&caller), request.organisation()?),
            Err(Malformed) => (E::default().access(&caller), None),
        };
        let organisation = match organisation {
            Some(organisation) => Some(organisation),
            None => validate::organisation(call.headers)?,
        };
        let proof = self.prove(caller, organisation.as_ref(), &access).await?;
        let request = request.map_err(|Malformed| malformed())?;
        let work = Work {
            gate: self.clone(),
            proof,
            named: call.operation,
            time: call.time,
        };
        match apart(request.perform(work)).await {
            Some(result) => result,
            None => Err(self.report(&panicked())),
        }
    }

    /// Rows 5 to 7.
    pub(crate) async fn prove(
        &self,
        caller: Caller,
        organisation: Option<&OrgId>,
        access: &Access,
    ) -> Result<Authorized, ErrorStatus> {
        let (authority, permission) = (&*self.authority, access.permission);
        Authorized::ask(authority, caller, organisation, permission, &access.target)
            .await
            .map_err(|error| self.report(&error))
    }

    /// Rows 1 to 3.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ErrorStatus> {
        let token = BearerToken::from_headers(headers)?;
        let caller = self.authenticator.authenticate(&token).await;
        caller
            .map_err(|error| self.report(&error))?
            .ok_or_else(token_invalid)
    }

    /// Ends at the deadline, and turns a panic into row 18.
    pub(crate) async fn in_time<T>(
        &self,
        call: &Call<'_>,
        work: impl Future<Output = Result<T, ErrorStatus>>,
    ) -> Result<T, ErrorStatus> {
        let work = AssertUnwindSafe(work).catch_unwind();
        match tokio::time::timeout_at(call.time.deadline(), work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(self.report(&panicked())),
            Err(_elapsed) => Err(self.report(&ErrorKind::DeadlineExceeded.into())),
        }
    }
}

/// Runs work as a task of its own, which ends with the caller: a store that answers in many steps
/// wakes this task then and not every layer of the transport around it. None is a panic.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    task.join_next().await?.ok()
}

fn panicked() -> Error {
    Error::new(ErrorKind::Bug).with_source("a panic")
}

impl Gate {
    /// What the caller is told of an error, and the operator what the caller is not.
    pub(crate) fn report(&self, error: &Error) -> ErrorStatus {
        let cause = std::error::Error::source(error);
        match error.kind() {
            ErrorKind::Bug | ErrorKind::Hashing | ErrorKind::Misuse => {
                tracing::error!(error = %error, cause, "a call failed inside");
            }
            ErrorKind::OutcomeUnknown | ErrorKind::Unavailable => {
                tracing::warn!(error = %error, cause, "the store did not answer");
            }
            _ => tracing::debug!(error = %error, "a call was refused"),
        }
        ErrorStatus::of(error, self.answers)
    }
}
