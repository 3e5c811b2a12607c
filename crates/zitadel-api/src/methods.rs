//! Where each endpoint is found: its RPC path, and its path over REST.

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodRouter, get, post, put},
};
use connectrpc::{CodecFormat, Payload, RequestContext, dispatcher::UnaryResult};

use crate::{
    api::Shared,
    call::Gate,
    endpoint::Endpoint,
    endpoints::{
        changes::ListUserChanges,
        import::ImportHumanUser,
        own::{GetMyPasswordComplexityPolicy, UpdateMyPassword},
        password::{SetHumanInitialPassword, SetHumanPassword},
        password_v2::SetPassword,
        policies::{
            AddCustomLockoutPolicy, AddCustomPasswordAgePolicy, AddCustomPasswordComplexityPolicy,
            GetDefaultLockoutPolicy, GetDefaultPasswordAgePolicy,
            GetDefaultPasswordComplexityPolicy, GetLockoutPolicy, GetPasswordAgePolicy,
            GetPasswordComplexityPolicy, ResetLockoutPolicyToDefault,
            ResetPasswordAgePolicyToDefault, ResetPasswordComplexityPolicyToDefault,
            UpdateCustomLockoutPolicy, UpdateCustomPasswordAgePolicy,
            UpdateCustomPasswordComplexityPolicy,
        },
        reset::SendHumanResetPasswordNotification,
        reset_code::PasswordReset,
        session::{CreateSession, DeleteSession, GetSession, SetSession},
        settings::{GetLockoutSettings, GetPasswordComplexitySettings, GetPasswordExpirySettings},
        state::{DeactivateUser, LockUser, ReactivateUser, RemoveUser, UnlockUser},
        user::GetUserById,
    },
    rest::{self, serve},
    rpc,
};

/// A method that is served over RPC.
pub(crate) struct Method {
    service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) call: fn(Gate, RequestContext, Payload, CodecFormat) -> UnaryResult,
}

impl Method {
    const fn of<E: Endpoint>() -> Self {
        Self {
            service: E::SERVICE,
            name: E::NAME,
            call: rpc::call::<E>,
        }
    }

    /// The method behind a path without its leading slash.
    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        let (service, name) = path.split_once('/')?;
        let mut methods = METHODS.iter();
        methods.find(|method| method.name == name && method.service == service)
    }
}

static METHODS: &[Method] = &[
    Method::of::<AddCustomLockoutPolicy>(),
    Method::of::<AddCustomPasswordAgePolicy>(),
    Method::of::<AddCustomPasswordComplexityPolicy>(),
    Method::of::<CreateSession>(),
    Method::of::<DeactivateUser>(),
    Method::of::<DeleteSession>(),
    Method::of::<GetDefaultLockoutPolicy>(),
    Method::of::<GetDefaultPasswordAgePolicy>(),
    Method::of::<GetDefaultPasswordComplexityPolicy>(),
    Method::of::<GetLockoutPolicy>(),
    Method::of::<GetLockoutSettings>(),
    Method::of::<GetMyPasswordComplexityPolicy>(),
    Method::of::<GetPasswordAgePolicy>(),
    Method::of::<GetPasswordComplexityPolicy>(),
    Method::of::<GetPasswordComplexitySettings>(),
    Method::of::<GetPasswordExpirySettings>(),
    Method::of::<GetSession>(),
    Method::of::<GetUserById>(),
    Method::of::<ImportHumanUser>(),
    Method::of::<ListUserChanges>(),
    Method::of::<LockUser>(),
    Method::of::<PasswordReset>(),
    Method::of::<ReactivateUser>(),
    Method::of::<RemoveUser>(),
    Method::of::<ResetLockoutPolicyToDefault>(),
    Method::of::<ResetPasswordAgePolicyToDefault>(),
    Method::of::<ResetPasswordComplexityPolicyToDefault>(),
    Method::of::<SendHumanResetPasswordNotification>(),
    Method::of::<SetHumanInitialPassword>(),
    Method::of::<SetHumanPassword>(),
    Method::of::<SetPassword>(),
    Method::of::<SetSession>(),
    Method::of::<UnlockUser>(),
    Method::of::<UpdateCustomLockoutPolicy>(),
    Method::of::<UpdateCustomPasswordAgePolicy>(),
    Method::of::<UpdateCustomPasswordComplexityPolicy>(),
    Method::of::<UpdateMyPassword>(),
];

/// A path over REST, and what answers there.
type Route = (&'static str, MethodRouter<Arc<Shared>>);

/// The REST side (contract sections 1.1 and 1.5).
pub(crate) fn rest() -> Router<Arc<Shared>> {
    let routes = [own(), policies(), users(), version_2()]
        .into_iter()
        .flatten();
    routes.fold(Router::new(), |router, (path, endpoint)| {
        let endpoint = endpoint.fallback(rest::method_not_allowed);
        match path.split_once('{').zip(path.split_once('}')) {
            // An empty segment is an empty id, which a parameter never is.
            Some(((before, _), (_, after))) => router
                .route(&format!("{before}{after}"), endpoint.clone())
                .route(path, endpoint),
            None => router.route(path, endpoint),
        }
    })
}

/// What callers may do to themselves.
fn own() -> Vec<Route> {
    vec![
        (
            "/auth/v1/policies/passwords/complexity",
            get(serve::<GetMyPasswordComplexityPolicy>),
        ),
        ("/auth/v1/users/me/password", put(serve::<UpdateMyPassword>)),
    ]
}

/// Policies of the management API.
fn policies() -> Vec<Route> {
    vec![
        (
            "/management/v1/policies/lockout",
            get(serve::<GetLockoutPolicy>)
                .post(serve::<AddCustomLockoutPolicy>)
                .put(serve::<UpdateCustomLockoutPolicy>)
                .delete(serve::<ResetLockoutPolicyToDefault>),
        ),
        (
            "/management/v1/policies/default/lockout",
            get(serve::<GetDefaultLockoutPolicy>),
        ),
        (
            "/management/v1/policies/password/age",
            get(serve::<GetPasswordAgePolicy>)
                .post(serve::<AddCustomPasswordAgePolicy>)
                .put(serve::<UpdateCustomPasswordAgePolicy>)
                .delete(serve::<ResetPasswordAgePolicyToDefault>),
        ),
        (
            "/management/v1/policies/default/password/age",
            get(serve::<GetDefaultPasswordAgePolicy>),
        ),
        (
            "/management/v1/policies/password/complexity",
            get(serve::<GetPasswordComplexityPolicy>)
                .post(serve::<AddCustomPasswordComplexityPolicy>)
                .put(serve::<UpdateCustomPasswordComplexityPolicy>)
                .delete(serve::<ResetPasswordComplexityPolicyToDefault>),
        ),
        (
            "/management/v1/policies/default/password/complexity",
            get(serve::<GetDefaultPasswordComplexityPolicy>),
        ),
    ]
}

/// Users of the management API.
fn users() -> Vec<Route> {
    vec![
        (
            "/management/v1/users/human/_import",
            post(serve::<ImportHumanUser>),
        ),
        (
            "/management/v1/users/{id}",
            get(serve::<GetUserById>).delete(serve::<RemoveUser>),
        ),
        (
            "/management/v1/users/{id}/_deactivate",
            post(serve::<DeactivateUser>),
        ),
        ("/management/v1/users/{id}/_lock", post(serve::<LockUser>)),
        (
            "/management/v1/users/{id}/_reactivate",
            post(serve::<ReactivateUser>),
        ),
        (
            "/management/v1/users/{id}/_unlock",
            post(serve::<UnlockUser>),
        ),
        (
            "/management/v1/users/{user_id}/changes/_search",
            post(serve::<ListUserChanges>),
        ),
        (
            "/management/v1/users/{user_id}/password",
            post(serve::<SetHumanPassword>),
        ),
        (
            "/management/v1/users/{user_id}/password/_initialize",
            post(serve::<SetHumanInitialPassword>),
        ),
        (
            "/management/v1/users/{user_id}/password/_reset",
            post(serve::<SendHumanResetPasswordNotification>),
        ),
    ]
}

/// Version 2.
fn version_2() -> Vec<Route> {
    vec![
        ("/v2/sessions", post(serve::<CreateSession>)),
        (
            "/v2/sessions/{session_id}",
            get(serve::<GetSession>)
                .patch(serve::<SetSession>)
                .delete(serve::<DeleteSession>),
        ),
        ("/v2/settings/lockout", get(serve::<GetLockoutSettings>)),
        (
            "/v2/settings/password/complexity",
            get(serve::<GetPasswordComplexitySettings>),
        ),
        (
            "/v2/settings/password/expiry",
            get(serve::<GetPasswordExpirySettings>),
        ),
        ("/v2/users/{user_id}/password", post(serve::<SetPassword>)),
        (
            "/v2/users/{user_id}/password_reset",
            post(serve::<PasswordReset>),
        ),
    ]
}
