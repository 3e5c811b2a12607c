//! A guess, through any door.

use std::{net::SocketAddr, time::Duration};

use portcullis_tests::{ADMIN, Call, Door, NOBODY, try_send_raw};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use zitadel::api::zitadel::{
    auth::v1::UpdateMyPasswordRequest,
    session::v2::{CheckPassword, CheckUser, Checks, CreateSessionRequest, check_user::Search},
    user::v2::{Password, SetPasswordRequest, set_password_request::Verification},
};

const WRONG: &str = "Wrong-1234";
const NEW: &str = "Secret-5678";
/// From the request's last byte until the client is gone.
const PATIENCE: Duration = Duration::from_millis(1);

/// A guess at a user's password or code.
pub(super) struct Guess {
    call: Call,
    door: Door,
    hurried: bool,
}

/// What a guess was told.
pub(super) struct Answer {
    pub(super) verified: bool,
    /// Status and text of a refusal that does not ask to wait.
    pub(super) refusal: Option<String>,
}

impl Guess {
    /// Through every endpoint that compares something, by every transport in turn.
    pub(super) fn rotated(n: usize) -> Self {
        let doors = Door::ALL;
        let guess = match n / doors.len() % 4 {
            0 => check("nobody", n),
            1 => of(by(
                Verification::CurrentPassword(WRONG.into()),
                "currentPassword",
                WRONG,
            )),
            2 => of(by(
                Verification::VerificationCode("K7MPQ2RSTA".into()),
                "verificationCode",
                "K7MPQ2RSTA",
            )),
            _ => of(own()),
        };
        Self {
            door: doors[n % doors.len()],
            ..guess
        }
    }

    /// The same by a client that is gone a moment later.
    pub(super) fn hurried(self) -> Self {
        Self {
            hurried: true,
            ..self
        }
    }

    /// Nothing if no answer came.
    pub(super) async fn make(&self, address: SocketAddr) -> Option<Answer> {
        if self.hurried {
            return self.hang_up(address).await;
        }
        if self.door == Door::Rest {
            let reply = try_send_raw(address, &self.call.rest_bytes()).await?;
            // A server that is busy says so of any id, and is not the budget.
            let refused = reply.status >= 300 && ![429, 503, 504].contains(&reply.status);
            return Some(Answer {
                verified: reply.status < 300,
                refusal: refused.then(|| format!("{} {}", reply.status, reply.text())),
            });
        }
        let outcome = self.call.try_through(self.door, address).await?;
        Some(Answer {
            verified: outcome.code == 0,
            refusal: None,
        })
    }

    async fn hang_up(&self, address: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.set_zero_linger().ok()?;
        stream.write_all(&self.call.rest_bytes()).await.ok()?;
        let mut first = [0];
        let _ = timeout(PATIENCE, stream.peek(&mut first)).await;
        None
    }
}

fn of(call: Call) -> Guess {
    Guess {
        call,
        door: Door::Rest,
        hurried: false,
    }
}

/// The n-th wrong password.
pub(super) fn check(user: &str, n: usize) -> Guess {
    check_with(user, &format!("{WRONG}-{n}"))
}

/// A check of this password, as a login makes it.
pub(super) fn check_with(user: &str, password: &str) -> Guess {
    let user_check = CheckUser {
        search: Some(Search::UserId(user.into())),
    };
    let checks = Checks {
        user: Some(user_check),
        password: Some(CheckPassword {
            password: password.into(),
        }),
        ..Default::default()
    };
    of(Call::new(
        ("POST", "/v2/sessions".into()),
        "zitadel.session.v2.SessionService/CreateSession",
        ADMIN,
        json!({"checks": {"user": {"userId": user}, "password": {"password": password}}}),
        &CreateSessionRequest {
            checks: Some(checks),
            ..Default::default()
        },
    ))
}

/// A new password by a proof that is wrong.
fn by(proof: Verification, field: &str, text: &str) -> Call {
    let new = Password {
        password: NEW.into(),
        change_required: false,
    };
    Call::new(
        ("POST", "/v2/users/nobody/password".into()),
        "zitadel.user.v2.UserService/SetPassword",
        ADMIN,
        json!({"userId": "nobody", "newPassword": {"password": NEW}, field: text}),
        &SetPasswordRequest {
            user_id: "nobody".into(),
            new_password: Some(new),
            verification: Some(proof),
        },
    )
}

/// The same by the user.
fn own() -> Call {
    Call::new(
        ("PUT", "/auth/v1/users/me/password".into()),
        "zitadel.auth.v1.AuthService/UpdateMyPassword",
        NOBODY,
        json!({"oldPassword": WRONG, "newPassword": NEW}),
        &UpdateMyPasswordRequest {
            old_password: WRONG.into(),
            new_password: NEW.into(),
        },
    )
}
