//! What a successful call reports about the object that it changed.

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, id::OrgId};

/// Sequence, dates and owner of a user, as in `zitadel.v1.ObjectDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectDetails {
    /// Number of the user's newest event. The first event is 1 and there are no gaps.
    pub sequence: u64,
    /// When the user was created. Reads report it, writes leave it out (contract section 3).
    pub creation_date: Option<Timestamp>,
    /// When the event was appended. It never decreases for one user.
    pub change_date: Option<Timestamp>,
    /// The organisation that owns the user.
    pub resource_owner: OrgId,
}

impl ObjectDetails {
    /// What a write reports.
    ///
    /// ```
    /// use portcullis_core::{Clock, ObjectDetails, OrgId, SystemClock};
    /// let details = ObjectDetails::written(5, SystemClock::new().now(), OrgId::new("acme")?);
    /// assert_eq!((details.sequence, details.creation_date), (5, None));
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub fn written(sequence: u64, change_date: Timestamp, resource_owner: OrgId) -> Self {
        Self {
            sequence,
            creation_date: None,
            change_date: Some(change_date),
            resource_owner,
        }
    }
}
