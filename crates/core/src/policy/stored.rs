//! Policies that are written through an API, over those that a server was started with.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    AgePolicy, AgeTerms, ChangePolicy, ComplexityPolicy, LockoutPolicy, LockoutTerms, Policies,
    PolicyChange, PolicyKind, PolicyScope, PolicyService, PolicyStore, PolicyTerms, PolicyView,
    ResetCodePolicy, StaticPolicies,
};
use crate::{
    authority::Authorized,
    clock::Clock,
    details::ObjectDetails,
    error::{Error, ErrorKind, StoreError, StoreErrorKind},
    id::{OperationId, OrgId},
    random::OsRandom,
    store::{Document, DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite},
};

/// Policies in a store, where they were written, and otherwise those that it was started with.
///
/// For the organisation: what was written for it, or what it was started with, or the instance's.
/// What was reset follows the instance's, whatever the server was started with.
pub struct StoredPolicies {
    documents: Arc<dyn DocumentStore>,
    start: StaticPolicies,
    clock: Arc<dyn Clock>,
    /// What was read lately, and until when it may be used.
    lately: Mutex<HashMap<String, (Duration, Option<Written>)>>,
}

/// What was written under a name.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// None if it was reset.
    terms: Option<PolicyTerms>,
    operation: OperationId,
    revision: u64,
    created: crate::clock::Timestamp,
    changed: crate::clock::Timestamp,
}

/// Whose policy is written: an organisation's, or with none the instance's.
type Owner<'a> = Option<&'a OrgId>;

impl StoredPolicies {
    /// How long a server may go on with what another one has replaced meanwhile.
    pub const STALE_FOR: Duration = Duration::from_secs(1);
    /// So many organisations are remembered at once.
    const REMEMBERED: usize = 10_000;

    /// Policies over these documents.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{MemoryStore, StaticPolicies, StoredPolicies, SystemClock};
    /// let store = Arc::new(MemoryStore::new());
    /// let policies = StoredPolicies::new(store, StaticPolicies::default(), Arc::new(SystemClock::new()));
    /// ```
    #[must_use]
    pub fn new(
        documents: Arc<dyn DocumentStore>,
        start: StaticPolicies,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            documents,
            start,
            clock,
            lately: Mutex::default(),
        }
    }

    /// What applies in an organisation, and whether that is the instance's default.
    async fn applying(
        &self,
        organisation: &OrgId,
        kind: PolicyKind,
    ) -> Result<(PolicyTerms, bool, Option<Written>), StoreError> {
        let own = self.written(Some(organisation), kind).await?;
        if let Some((terms, written)) = own.and_then(|own| own.terms.zip(Some(own))) {
            return Ok((terms, false, Some(written)));
        }
        if own.is_none()
            && let Some(start) = self.start.own(organisation)
        {
            return Ok((terms(start, kind), false, None));
        }
        let default = self.written(None, kind).await?;
        let written = default.and_then(|default| default.terms);
        let terms = written.unwrap_or_else(|| terms(self.start.default_policies(), kind));
        Ok((terms, true, default))
    }

    async fn written(
        &self,
        owner: Owner<'_>,
        kind: PolicyKind,
    ) -> Result<Option<Written>, StoreError> {
        let name = name(owner, kind);
        let now = self.clock.elapsed();
        if let Some((_, written)) = self.lock().get(&name).filter(|(until, _)| now < *until) {
            return Ok(*written);
        }
        let written = self.read(&name, kind).await?;
        self.remember(name, written);
        Ok(written)
    }

    async fn read(&self, name: &str, kind: PolicyKind) -> Result<Option<Written>, StoreError> {
        let key = DocumentKey::new(DocumentKind::Policies, name);
        let document = self.documents.document(&key).await?;
        document.map(|document| parse(&document, kind)).transpose()
    }

    /// Keeps what was read, unless something newer is known: a slow reader must not bring back what
    /// was replaced meanwhile.
    fn remember(&self, name: String, written: Option<Written>) {
        let until = self.clock.elapsed().saturating_add(Self::STALE_FOR);
        let mut lately = self.lock();
        if lately.len() >= Self::REMEMBERED {
            lately.clear();
        }
        let revision = |written: &Option<Written>| written.map_or(0, |written| written.revision);
        let known = lately.get(&name).map_or(0, |(_, known)| revision(known));
        if known <= revision(&written) {
            lately.insert(name, (until, written));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Duration, Option<Written>)>> {
        // Whole values are put in, so a poisoned lock is still good.
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(
        &self,
        owner: Owner<'_>,
        change: PolicyChange,
        operation: OperationId,
        deadline: Duration,
    ) -> Result<Written, Error> {
        let kind = change.kind();
        let name = name(owner, kind);
        loop {
            let written = self.read(&name, kind).await?;
            if let Some(done) = written.filter(|written| written.operation == operation) {
                // This call was made before; another one under its name is a mistake.
                return if done.terms == change.terms() {
                    Ok(done)
                } else {
                    Err(ErrorKind::OperationReused.into())
                };
            }
            let present = match (written, owner) {
                (Some(written), Some(_)) => written.terms,
                (None, Some(owner)) => self.start.own(owner).map(|start| terms(start, kind)),
                // The instance always has one.
                (written, None) => {
                    let written = written.and_then(|written| written.terms);
                    Some(written.unwrap_or_else(|| terms(self.start.default_policies(), kind)))
                }
            };
            let expected = written.map(|written| written.revision);
            let text = text(change.terms())?;
            let key = DocumentKey::new(DocumentKind::Policies, name.as_str());
            let write = DocumentWrite::new(key, operation, expected, text);
            if let Some(refusal) = change.refusal(present) {
                return Err(ErrorKind::PolicyRefused(kind, refusal).into());
            }
            if let DocumentOutcome::Written {
                revision,
                created,
                changed,
            } = self.documents.write_document(&write).await?
            {
                // What is there now tells whether it was this call: another one may have come under
                // the same name at the same time.
                let present = self.read(&name, kind).await?;
                self.remember(name, present);
                return match present.filter(|present| present.operation == operation) {
                    Some(present) if present.terms != change.terms() => {
                        Err(ErrorKind::OperationReused.into())
                    }
                    Some(present) => Ok(present),
                    None => Ok(Written {
                        terms: change.terms(),
                        operation,
                        revision,
                        created,
                        changed,
                    }),
                };
            }
            if self.clock.elapsed() >= deadline {
                return Err(ErrorKind::Conflict.into());
            }
        }
    }
}

#[async_trait]
impl PolicyService for StoredPolicies {
    async fn policy(
        &self,
        proof: &Authorized,
        kind: PolicyKind,
        scope: PolicyScope,
    ) -> Result<PolicyView, Error> {
        let organisation = proof.covers_policy_reading(scope)?;
        let (terms, is_default, written) = match scope {
            PolicyScope::Organisation => self.applying(organisation, kind).await?,
            PolicyScope::Instance => {
                let written = self.written(None, kind).await?;
                let own = written.and_then(|written| written.terms);
                let start = || terms(self.start.default_policies(), kind);
                (own.unwrap_or_else(start), true, written)
            }
        };
        Ok(PolicyView {
            terms,
            is_default,
            details: read_details(written, organisation),
        })
    }

    async fn change_policy(
        &self,
        proof: &Authorized,
        request: ChangePolicy,
    ) -> Result<ObjectDetails, Error> {
        let organisation = proof.covers_policy_writing(request.scope, request.change)?;
        let operation = match request.operation {
            Some(operation) => operation.id(),
            None => OperationId::random(&OsRandom)
                .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))?,
        };
        let deadline = self.clock.elapsed().saturating_add(request.time_limit);
        let owner = match request.scope {
            PolicyScope::Organisation => Some(organisation),
            PolicyScope::Instance => None,
        };
        let change = self.change(owner, request.change, operation, deadline);
        let written = change
            .await
            .map_err(|error| error.with_operation(operation))?;
        let owner = organisation.clone();
        let mut details = ObjectDetails::written(written.revision, written.changed, owner);
        if matches!(request.change, PolicyChange::Add(_)) {
            // As upstream, what begins has a creation date and no change date.
            details.creation_date = details.change_date.take();
        }
        Ok(details)
    }
}

#[async_trait]
impl PolicyStore for StoredPolicies {
    async fn complexity(&self, organisation: &OrgId) -> Result<ComplexityPolicy, StoreError> {
        match self.applying(organisation, PolicyKind::Complexity).await?.0 {
            PolicyTerms::Complexity(policy) => Ok(policy),
            PolicyTerms::Age(_) | PolicyTerms::Lockout(_) => Err(mixed_up()),
        }
    }

    async fn lockout(&self, organisation: &OrgId) -> Result<LockoutPolicy, StoreError> {
        let start = self.start.of(organisation).lockout;
        match self.applying(organisation, PolicyKind::Lockout).await?.0 {
            PolicyTerms::Lockout(terms) => Ok(LockoutPolicy {
                max_attempts: terms.max_attempts,
                ..start
            }),
            PolicyTerms::Age(_) | PolicyTerms::Complexity(_) => Err(mixed_up()),
        }
    }

    async fn age(&self, organisation: &OrgId) -> Result<AgePolicy, StoreError> {
        let start = self.start.of(organisation).age;
        match self.applying(organisation, PolicyKind::Age).await?.0 {
            PolicyTerms::Age(terms) => Ok(AgePolicy {
                max_days: terms.max_days,
                warn_days: terms.warn_days,
                ..start
            }),
            PolicyTerms::Complexity(_) | PolicyTerms::Lockout(_) => Err(mixed_up()),
        }
    }

    async fn reset_code(&self, organisation: &OrgId) -> Result<ResetCodePolicy, StoreError> {
        Ok(self.start.of(organisation).reset_code)
    }
}

impl fmt::Debug for StoredPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPolicies")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// The part of a set of policies that an API writes.
const fn terms(policies: &Policies, kind: PolicyKind) -> PolicyTerms {
    match kind {
        PolicyKind::Age => PolicyTerms::Age(AgeTerms {
            max_days: policies.age.max_days,
            warn_days: policies.age.warn_days,
        }),
        PolicyKind::Complexity => PolicyTerms::Complexity(policies.complexity),
        PolicyKind::Lockout => PolicyTerms::Lockout(LockoutTerms {
            max_attempts: policies.lockout.max_attempts,
            max_otp_attempts: 0,
        }),
    }
}

/// An organisation's id is never empty, so no two names are one.
fn name(owner: Owner<'_>, kind: PolicyKind) -> String {
    let owner = owner.map_or("", OrgId::as_str);
    format!("{}/{owner}", kind.as_str())
}

/// The stored form. One that was reset is `null`, so that it does not count as never written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text<T> {
    Own(T),
    Reset(()),
}

fn text(terms: Option<PolicyTerms>) -> Result<String, Error> {
    match terms {
        None => Ok("null".to_owned()),
        Some(PolicyTerms::Age(terms)) => serde_json::to_string(&terms),
        Some(PolicyTerms::Complexity(terms)) => serde_json::to_string(&terms),
        Some(PolicyTerms::Lockout(terms)) => serde_json::to_string(&terms),
    }
    .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
}

fn parse(document: &Document, kind: PolicyKind) -> Result<Written, StoreError> {
    fn own<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Option<T>, serde_json::Error> {
        Ok(match serde_json::from_str(text)? {
            Text::Own(terms) => Some(terms),
            Text::Reset(()) => None,
        })
    }
    let text = &document.text;
    let terms = match kind {
        PolicyKind::Age => own(text).map(|terms| terms.map(PolicyTerms::Age)),
        PolicyKind::Complexity => own(text).map(|terms| terms.map(PolicyTerms::Complexity)),
        PolicyKind::Lockout => own(text).map(|terms| terms.map(PolicyTerms::Lockout)),
    };
    Ok(Written {
        terms: terms
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt).with_source(error))?,
        operation: document.operation,
        revision: document.revision,
        created: document.created,
        changed: document.changed,
    })
}

fn read_details(written: Option<Written>, owner: &OrgId) -> ObjectDetails {
    ObjectDetails {
        sequence: written.map_or(0, |written| written.revision),
        creation_date: written.map(|written| written.created),
        change_date: written.map(|written| written.changed),
        resource_owner: owner.clone(),
    }
}

fn mixed_up() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt).with_source("a policy of another kind")
}
