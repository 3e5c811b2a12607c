//! The order of checks, once for every transport (contract sections 2.1 and 2.2).

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::HeaderMap;
use portcullis_core::{
    Authority, Authorized, Caller, Error, ErrorKind, ErrorStatus, ObjectDetails, OrgId,
    PasswordService, Permission,
};
use tokio::task::JoinSet;

use crate::{
    authenticate::{BearerToken, TokenAuthenticator, token_invalid},
    command::{Endpoint, Malformed, Request},
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
    pub(crate) async fn run(
        &self,
        endpoint: Endpoint,
        call: &Call<'_>,
        request: Result<Request, Malformed>,
    ) -> Result<ObjectDetails, ErrorStatus> {
        let start = Instant::now();
        let work = self.checked(endpoint, call, request);
        let result = self.in_time(call, work).await;
        metrics::count_request(endpoint.name(), call.transport, &result, start.elapsed());
        result
    }

    async fn checked(
        &self,
        endpoint: Endpoint,
        call: &Call<'_>,
        request: Result<Request, Malformed>,
    ) -> Result<ObjectDetails, ErrorStatus> {
        let target = request.as_ref().map_or("", |request| &request.user_id);
        let proof = self
            .admit(call.headers, None, Permission::UserWrite, target)
            .await?;
        let request = request.map_err(|Malformed| malformed())?;
        let valid = endpoint.validator().validate(request)?;
        let operation = call.operation.operation()?;
        let (service, time) = (Arc::clone(&self.service), call.time);
        let work = async move {
            endpoint
                .perform(&*service, &proof, valid, operation, time)
                .await
        };
        apart(work).await.map_err(|error| report(&error))
    }

    /// Rows 1 to 7. An organisation in the path takes the place of the header.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        organisation: Option<Result<OrgId, ErrorStatus>>,
        permission: Permission,
        target: &str,
    ) -> Result<Authorized, ErrorStatus> {
        let caller = self.authenticate(headers).await?;
        let organisation = match organisation {
            Some(organisation) => Some(organisation?),
            None => validate::organisation(headers)?,
        };
        let authority = &*self.authority;
        Authorized::ask(authority, caller, organisation.as_ref(), permission, target)
            .await
            .map_err(|error| report(&error))
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ErrorStatus> {
        let token = BearerToken::from_headers(headers)?;
        let caller = self.authenticator.authenticate(&token).await;
        caller
            .map_err(|error| report(&error))?
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
            Ok(Err(_panic)) => Err(report(&panicked())),
            Err(_elapsed) => Err(report(&ErrorKind::DeadlineExceeded.into())),
        }
    }
}

/// Runs work as a task of its own, which ends with the caller: a store that answers in many steps
/// wakes this task then and not every layer of the transport around it.
async fn apart(
    work: impl Future<Output = Result<ObjectDetails, Error>> + Send + 'static,
) -> Result<ObjectDetails, Error> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(_)) | None => Err(panicked()),
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Bug).with_source("a panic")
}

/// Tells the operator what the caller will not be told.
pub(crate) fn report(error: &Error) -> ErrorStatus {
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
    error.into()
}
