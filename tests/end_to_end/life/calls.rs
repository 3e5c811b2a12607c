//! The calls, in both of their forms.

use portcullis_tests::{ADMIN, Body, Call, Door, Outcome, Server};
use prost::Message;
use serde_json::{Value, json};
use zitadel::api::zitadel::{
    auth::v1::UpdateMyPasswordRequest,
    change::v1::ChangeQuery,
    management::v1::{
        GetUserByIdRequest, ImportHumanUserRequest, ListUserChangesRequest, LockUserRequest,
        SendHumanResetPasswordNotificationRequest, SetHumanPasswordRequest,
        import_human_user_request::HashedPassword,
    },
    session::v2::{
        CheckPassword, CheckUser, Checks, CreateSessionRequest, CreateSessionResponse,
        DeleteSessionRequest, GetSessionRequest, SetSessionRequest, check_user::Search,
    },
    user::v2::{
        Password, PasswordResetRequest, ReturnPasswordResetCode, SetPasswordRequest,
        password_reset_request::Medium, set_password_request::Verification,
    },
};

pub(super) const GOOD: &str = "Secret-1234";

/// A path segment, percent-encoded.
fn segment(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn management(user: &str, rest: &str) -> String {
    format!("/management/v1/users/{}{rest}", segment(user))
}

pub(super) fn set(user: &str, password: &str) -> Call {
    Call::new(
        ("POST", management(user, "/password")),
        "zitadel.management.v1.ManagementService/SetHumanPassword",
        ADMIN,
        json!({"userId": user, "password": password, "noChangeRequired": true}),
        &SetHumanPasswordRequest {
            user_id: user.into(),
            password: password.into(),
            no_change_required: true,
        },
    )
}

/// Gives a user the good password.
pub(super) async fn prepare(server: &Server, user: &str) {
    let outcome = set(user, GOOD).through(Door::Rest, server.address).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

/// Creates a user with the good password, through one door.
pub(super) async fn newcomer(server: &Server, door: Door, name: &str) -> String {
    let outcome = import(name, GOOD, None).through(door, server.address).await;
    match &outcome.body {
        Body::Json(json) => json["userId"].as_str().expect("an id").to_owned(),
        Body::Proto(bytes) => {
            use zitadel::api::zitadel::management::v1::ImportHumanUserResponse;
            ImportHumanUserResponse::decode(&**bytes).unwrap().user_id
        }
        Body::None => panic!("{outcome:?}"),
    }
}

pub(super) fn import(name: &str, password: &str, hash: Option<&str>) -> Call {
    let hashed = hash.map(|value| json!({"value": value}));
    Call::new(
        ("POST", "/management/v1/users/human/_import".into()),
        "zitadel.management.v1.ManagementService/ImportHumanUser",
        ADMIN,
        json!({
            "userName": name,
            "profile": {"firstName": "A", "lastName": "B"},
            "password": password,
            "hashedPassword": hashed,
        }),
        &ImportHumanUserRequest {
            user_name: name.into(),
            password: password.into(),
            hashed_password: hash.map(|value| HashedPassword {
                value: value.into(),
            }),
            ..Default::default()
        },
    )
}

fn checks(user: Option<&str>, login_name: Option<&str>, password: Option<&str>) -> (Value, Checks) {
    let search = match (user, login_name) {
        (Some(id), _) => Some(Search::UserId(id.into())),
        (None, Some(name)) => Some(Search::LoginName(name.into())),
        (None, None) => None,
    };
    let json = json!({
        "user": search.as_ref().map(|search| match search {
            Search::UserId(id) => json!({"userId": id}),
            Search::LoginName(name) => json!({"loginName": name}),
        }),
        "password": password.map(|password| json!({"password": password})),
    });
    let message = Checks {
        user: search.map(|search| CheckUser {
            search: Some(search),
        }),
        password: password.map(|password| CheckPassword {
            password: password.into(),
        }),
        ..Default::default()
    };
    (json, message)
}

fn create_session((json, checks): (Value, Checks)) -> Call {
    Call::new(
        ("POST", "/v2/sessions".into()),
        "zitadel.session.v2.SessionService/CreateSession",
        ADMIN,
        json!({"checks": json}),
        &CreateSessionRequest {
            checks: Some(checks),
            ..Default::default()
        },
    )
}

/// Checks a password, as a login does.
pub(super) fn check(user: &str, password: &str) -> Call {
    create_session(checks(Some(user), None, Some(password)))
}

pub(super) fn check_by_name(name: &str, password: Option<&str>) -> Call {
    create_session(checks(None, Some(name), password))
}

pub(super) fn session_of(user: &str) -> Call {
    create_session(checks(Some(user), None, None))
}

/// A session's id and token.
pub(super) fn issued(outcome: &Outcome) -> (String, String) {
    let response = outcome.message(|json| CreateSessionResponse {
        session_id: json["sessionId"].as_str().unwrap_or_default().into(),
        session_token: json["sessionToken"].as_str().unwrap_or_default().into(),
        ..Default::default()
    });
    (response.session_id, response.session_token)
}

pub(super) fn set_session(session: &str, token: &str, password: &str) -> Call {
    let (json, message) = checks(None, None, Some(password));
    Call::new(
        ("PATCH", format!("/v2/sessions/{session}")),
        "zitadel.session.v2.SessionService/SetSession",
        ADMIN,
        json!({"sessionId": session, "sessionToken": token, "checks": json}),
        &SetSessionRequest {
            session_id: session.into(),
            session_token: token.into(),
            checks: Some(message),
            ..Default::default()
        },
    )
}

pub(super) fn get_session(session: &str) -> Call {
    Call::new(
        ("GET", format!("/v2/sessions/{session}")),
        "zitadel.session.v2.SessionService/GetSession",
        ADMIN,
        json!({"sessionId": session}),
        &GetSessionRequest {
            session_id: session.into(),
            session_token: None,
        },
    )
}

pub(super) fn delete_session(session: &str) -> Call {
    Call::new(
        ("DELETE", format!("/v2/sessions/{session}")),
        "zitadel.session.v2.SessionService/DeleteSession",
        ADMIN,
        json!({"sessionId": session}),
        &DeleteSessionRequest {
            session_id: session.into(),
            session_token: None,
        },
    )
}

pub(super) fn update_my_password(token: &str, old: &str, new: &str) -> Call {
    Call::new(
        ("PUT", "/auth/v1/users/me/password".into()),
        "zitadel.auth.v1.AuthService/UpdateMyPassword",
        token,
        json!({"oldPassword": old, "newPassword": new}),
        &UpdateMyPasswordRequest {
            old_password: old.into(),
            new_password: new.into(),
        },
    )
}

/// What a new password is set by.
pub(super) enum By<'a> {
    Code(&'a str),
    Password(&'a str),
    Permission,
}

pub(super) fn set_v2(user: &str, new: &str, by: &By<'_>) -> Call {
    let mut json = json!({"userId": user, "newPassword": {"password": new}});
    let verification = match by {
        By::Code(code) => {
            json["verificationCode"] = (*code).into();
            Some(Verification::VerificationCode((*code).into()))
        }
        By::Password(password) => {
            json["currentPassword"] = (*password).into();
            Some(Verification::CurrentPassword((*password).into()))
        }
        By::Permission => None,
    };
    Call::new(
        ("POST", format!("/v2/users/{}/password", segment(user))),
        "zitadel.user.v2.UserService/SetPassword",
        ADMIN,
        json,
        &SetPasswordRequest {
            user_id: user.into(),
            new_password: Some(Password {
                password: new.into(),
                change_required: false,
            }),
            verification,
        },
    )
}

/// Asks for a code to be returned.
pub(super) fn reset_v2(user: &str) -> Call {
    Call::new(
        (
            "POST",
            format!("/v2/users/{}/password_reset", segment(user)),
        ),
        "zitadel.user.v2.UserService/PasswordReset",
        ADMIN,
        json!({"userId": user, "returnCode": {}}),
        &PasswordResetRequest {
            user_id: user.into(),
            medium: Some(Medium::ReturnCode(ReturnPasswordResetCode {})),
        },
    )
}

pub(super) fn code(outcome: &Outcome) -> String {
    use zitadel::api::zitadel::user::v2::PasswordResetResponse;
    let response = outcome.message(|json| PasswordResetResponse {
        verification_code: json["verificationCode"].as_str().map(str::to_owned),
        ..Default::default()
    });
    response.verification_code.expect("a code")
}

pub(super) fn reset_v1(user: &str) -> Call {
    Call::new(
        ("POST", management(user, "/password/_reset")),
        "zitadel.management.v1.ManagementService/SendHumanResetPasswordNotification",
        ADMIN,
        json!({"userId": user, "type": "TYPE_SMS"}),
        &SendHumanResetPasswordNotificationRequest {
            user_id: user.into(),
            r#type: 1,
        },
    )
}

/// Locks, unlocks, deactivates, reactivates or removes: all have one message.
pub(super) fn state(user: &str, rpc: &'static str) -> Call {
    let (method, rest) = match rpc.rsplit('/').next().unwrap() {
        "LockUser" => ("POST", "/_lock"),
        "UnlockUser" => ("POST", "/_unlock"),
        "DeactivateUser" => ("POST", "/_deactivate"),
        "ReactivateUser" => ("POST", "/_reactivate"),
        "RemoveUser" => ("DELETE", ""),
        other => panic!("{other}"),
    };
    let message = LockUserRequest { id: user.into() };
    let json = json!({"id": user});
    Call::new((method, management(user, rest)), rpc, ADMIN, json, &message)
}

pub(super) fn get_user(user: &str) -> Call {
    Call::new(
        ("GET", management(user, "")),
        "zitadel.management.v1.ManagementService/GetUserByID",
        ADMIN,
        json!({"id": user}),
        &GetUserByIdRequest { id: user.into() },
    )
}

pub(super) fn changes(user: &str, sequence: u64, limit: u32, asc: bool) -> Call {
    let query = ChangeQuery {
        sequence,
        limit,
        asc,
    };
    Call::new(
        ("POST", management(user, "/changes/_search")),
        "zitadel.management.v1.ManagementService/ListUserChanges",
        ADMIN,
        json!({
            "userId": user,
            "query": {"sequence": sequence.to_string(), "limit": limit, "asc": asc},
        }),
        &ListUserChangesRequest {
            query: Some(query),
            user_id: user.into(),
        },
    )
}
