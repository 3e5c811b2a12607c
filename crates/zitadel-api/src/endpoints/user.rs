//! `GetUserByID` (contract section 1.5).

use portcullis_core::{
    Caller, Code, ErrorKind, ErrorStatus, Permission, UserView,
    store::{UserKind, UserState},
};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::plain_messages,
    validate::Fields,
    wire::zitadel::{management::v1, user},
};

plain_messages! {
    /// Reads a user.
    GetUserById { id = 1: String, text; }
}

impl Endpoint for GetUserById {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "GetUserByID";
    type Response = v1::GetUserByIDResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserRead, &self.id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let id = Fields::of::<Self>().id("Id", &self.id)?;
        let view = work.service().user(&work.proof, &id).await;
        let view = view.map_err(|error| match error.kind() {
            ErrorKind::UserNotFound => not_found(),
            _ => work.refuse(&error),
        })?;
        Ok(Self::Response {
            user: user(self.id, view).into(),
        })
    }
}

/// A read that finds nobody has an id of its own.
pub(crate) fn not_found() -> ErrorStatus {
    ErrorStatus::with_id(Code::NotFound, "QUERY-Dfbg2", "User could not be found")
}

fn user(id: String, view: UserView) -> user::v1::User {
    use crate::wire::zitadel::user::v1::{Human, Machine, user::Type};
    let kind = match view.kind {
        UserKind::Machine => Type::Machine(Box::new(Machine {
            name: view.username.clone(),
        })),
        // Every kind that is not a machine has, or may get, a password.
        _ => Type::Human(Box::new(Human {
            password_changed: view.password_changed.map(details::timestamp).into(),
        })),
    };
    user::v1::User {
        id,
        details: details::member(&view.details),
        state: state(view.state).into(),
        login_names: vec![view.username.clone()],
        preferred_login_name: view.username.clone(),
        user_name: view.username,
        r#type: Some(kind),
    }
}

fn state(state: UserState) -> user::v1::UserState {
    use user::v1::UserState as Wire;
    match state {
        UserState::Active => Wire::Active,
        UserState::Inactive => Wire::Inactive,
        UserState::Initial => Wire::Initial,
        UserState::Locked => Wire::Locked,
        UserState::Removed => Wire::Deleted,
        _ => Wire::Unspecified,
    }
}
