//! A user is locked, unlocked, deactivated, reactivated, removed (contract section 1.5).

use portcullis_core::{Caller, ChangeState, ErrorStatus, ObjectDetails, Permission, StateChange};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::plain_messages,
    validate::Fields,
    wire::zitadel::management::v1,
};

plain_messages! {
    /// Makes a user inactive.
    DeactivateUser { id = 1: String, text; }
    /// Locks a user out of every check.
    LockUser { id = 1: String, text; }
    /// Makes an inactive user active.
    ReactivateUser { id = 1: String, text; }
    /// Removes a user for good.
    RemoveUser { id = 1: String, text; }
    /// Ends what `LockUser` or too many failures began.
    UnlockUser { id = 1: String, text; }
}

macro_rules! changes_state {
    ($($endpoint:ident: $change:ident, $permission:ident, $response:ident;)+) => {
        $(
            impl Endpoint for $endpoint {
                const SERVICE: &'static str = service::MANAGEMENT;
                const NAME: &'static str = stringify!($endpoint);
                type Response = v1::$response;

                fn access(&self, _: &Caller) -> Access {
                    Access::to(Permission::$permission, &self.id)
                }

                async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
                    let fields = Fields::of::<Self>();
                    let details = change(&work, fields, &self.id, StateChange::$change).await?;
                    Ok(Self::Response {
                        details: details::member(&details),
                    })
                }
            }
        )+
    };
}

changes_state! {
    DeactivateUser: Deactivate, UserWrite, DeactivateUserResponse;
    LockUser: Lock, UserWrite, LockUserResponse;
    ReactivateUser: Reactivate, UserWrite, ReactivateUserResponse;
    RemoveUser: Remove, UserDelete, RemoveUserResponse;
    UnlockUser: Unlock, UserWrite, UnlockUserResponse;
}

async fn change(
    work: &Work,
    fields: Fields,
    id: &str,
    change: StateChange,
) -> Result<ObjectDetails, ErrorStatus> {
    let request = ChangeState::new(fields.id("Id", id)?, change)
        .with_operation(work.operation()?)
        .with_time_limit(work.time.for_retries());
    let changed = work.service().change_state(&work.proof, request).await;
    changed.map_err(|error| work.refuse(&error))
}
