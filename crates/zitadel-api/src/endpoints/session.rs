//! Sessions of version 2: how a login checks a user and a password (contract section 1.5).

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Caller, Code, CreateSession as Begin, ErrorKind, ErrorStatus, Permission, SessionService,
    SessionToken, SessionView, SetSession as Change, UserId,
};
use zeroize::Zeroizing;

use super::{service, user};
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value, plain_messages},
    validate::Fields,
    wire::zitadel::session::v2,
};

/// Begins a session.
#[derive(Default)]
pub(crate) struct CreateSession {
    checks: Checks,
    lifetime: Option<i64>,
}

/// Adds checks to a session.
#[derive(Default)]
pub(crate) struct SetSession {
    session_id: String,
    session_token: Zeroizing<String>,
    checks: Checks,
    lifetime: Option<i64>,
}

plain_messages! {
    /// What was checked, and when.
    GetSession {
        session_id = 1: String, text;
        session_token = 2: Zeroizing<String>, secret;
    }
    /// Ends a session.
    DeleteSession {
        session_id = 1: String, text;
        session_token = 2: Zeroizing<String>, secret;
    }
    /// The password to check.
    CheckPassword {
        password = 1: Zeroizing<String>, secret;
    }
}

#[derive(Default)]
struct Checks {
    user: Option<CheckUser>,
    password: Option<CheckPassword>,
}

#[derive(Default)]
struct CheckUser(Option<Search>);

enum Search {
    Id(String),
    LoginName(String),
}

impl Message for CreateSession {
    const FIELDS: &'static [(&'static str, u32)] = &[("checks", 1), ("lifetime", 5)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => value.message(&mut self.checks)?,
            _ => self.lifetime = Some(value.seconds()?),
        }
        Ok(())
    }
}

impl Message for SetSession {
    const FIELDS: &'static [(&'static str, u32)] = &[
        ("session_id", 1),
        ("session_token", 2),
        ("checks", 3),
        ("lifetime", 6),
    ];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.session_id = value.text()?,
            2 => self.session_token = value.secret()?,
            3 => value.message(&mut self.checks)?,
            _ => self.lifetime = Some(value.seconds()?),
        }
        Ok(())
    }
}

impl Message for Checks {
    const FIELDS: &'static [(&'static str, u32)] = &[("user", 1), ("password", 2)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => value.message(self.user.get_or_insert_default()),
            _ => value.message(self.password.get_or_insert_default()),
        }
    }
}

impl Message for CheckUser {
    const FIELDS: &'static [(&'static str, u32)] = &[("user_id", 1), ("login_name", 2)];
    const ONE_OFS: &'static [&'static [u32]] = &[&[1, 2]];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        self.0 = Some(match number {
            1 => Search::Id(value.text()?),
            _ => Search::LoginName(value.text()?),
        });
        Ok(())
    }
}

impl Checks {
    /// Whose session it is to be, where the request says so by id.
    fn user_id(&self) -> &str {
        match &self.user {
            Some(CheckUser(Some(Search::Id(id)))) => id,
            _ => "",
        }
    }

    /// Checks the fields, and finds the user of a login name.
    async fn validate(
        self,
        work: &Work,
        fields: Fields,
        lifetime: Option<i64>,
    ) -> Result<Begin, ErrorStatus> {
        let mut begin = Begin::default();
        let checks = fields.within("Checks", "CheckUser");
        let found = match self.user {
            None => None,
            Some(CheckUser(None)) => return Err(checks.refuse("Search: value is required")),
            Some(CheckUser(Some(Search::Id(id)))) => Some(checks.id("UserId", &id)?),
            Some(CheckUser(Some(Search::LoginName(name)))) => {
                checks.plain("LoginName", &name)?;
                begin.login_name = Some(name);
                None
            }
        };
        if let Some(check) = self.password {
            let checks = fields.within("Checks", "CheckPassword");
            let password = checks.password("Password", check.password, Fields::V2_TEXT)?;
            begin.password = Some(password);
        }
        begin.lifetime = match lifetime {
            None => None,
            Some(seconds) => {
                let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
                let invalid = || fields.refuse("Lifetime: value must be greater than 0s");
                // A date needs four digits for its year.
                Some(Duration::from_secs(seconds.ok_or_else(invalid)?).min(CENTURY))
            }
        };
        begin.operation = Some(work.operation()?);
        begin.time_limit = work.time.for_retries();
        begin.user = match (found, &begin.login_name) {
            (None, Some(name)) => Some(find(work, name).await?),
            (found, _) => found,
        };
        Ok(begin)
    }
}

impl Endpoint for CreateSession {
    const SERVICE: &'static str = service::SESSION;
    const NAME: &'static str = "CreateSession";
    const CREATES: bool = true;
    type Response = v2::CreateSessionResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::SessionWrite, self.checks.user_id())
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let begin = self.checks.validate(&work, fields, self.lifetime).await?;
        let proof = about(&work, begin.user.as_ref()).await?;
        let issued = sessions(&work)?.create_session(&proof, begin).await;
        let issued = issued.map_err(|error| refuse(&work, &error))?;
        let token = issued.token.as_ref().map(SessionToken::as_str);
        Ok(Self::Response {
            details: details::member_v2(&issued.details),
            session_id: issued.session,
            session_token: token.unwrap_or_default().to_owned(),
        })
    }
}

impl Endpoint for SetSession {
    const SERVICE: &'static str = service::SESSION;
    const NAME: &'static str = "SetSession";
    type Response = v2::SetSessionResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::organisation(Permission::SessionWrite)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        fields.plain("SessionId", &self.session_id)?;
        let add = self.checks.validate(&work, fields, self.lifetime).await?;
        let present = sessions(&work)?
            .session_user(&work.proof, &self.session_id)
            .await;
        let present = present.map_err(|error| refuse(&work, &error))?;
        let proof = about(&work, add.user.as_ref().or(present.as_ref())).await?;
        let change = Change::new(self.session_id, token(self.session_token), add);
        let issued = sessions(&work)?.set_session(&proof, change).await;
        let issued = issued.map_err(|error| refuse(&work, &error))?;
        let token = issued.token.as_ref().map(SessionToken::as_str);
        Ok(Self::Response {
            details: details::member_v2(&issued.details),
            session_token: token.unwrap_or_default().to_owned(),
        })
    }
}

impl Endpoint for GetSession {
    const SERVICE: &'static str = service::SESSION;
    const NAME: &'static str = "GetSession";
    type Response = v2::GetSessionResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::organisation(Permission::SessionWrite)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        fields.plain("SessionId", &self.session_id)?;
        let (id, token) = (&self.session_id, token(self.session_token));
        let view = sessions(&work)?.session(&work.proof, id, token).await;
        let view = view.map_err(|error| refuse(&work, &error))?;
        Ok(Self::Response {
            session: buffa::MessageField::some(session(view)),
        })
    }
}

impl Endpoint for DeleteSession {
    const SERVICE: &'static str = service::SESSION;
    const NAME: &'static str = "DeleteSession";
    const DELETES_WITH_BODY: bool = true;
    type Response = v2::DeleteSessionResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::organisation(Permission::SessionWrite)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        fields.plain("SessionId", &self.session_id)?;
        let (id, token) = (&self.session_id, token(self.session_token));
        let ended = sessions(&work)?.end_session(&work.proof, id, token).await;
        let details = ended.map_err(|error| refuse(&work, &error))?;
        Ok(Self::Response {
            details: details::member_v2(&details),
        })
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

fn sessions(work: &Work) -> Result<&Arc<dyn SessionService>, ErrorStatus> {
    let absent = || ErrorStatus::plain(Code::Unimplemented, "sessions are not kept here");
    work.gate.sessions.as_ref().ok_or_else(absent)
}

/// A token that is empty is none.
fn token(text: Zeroizing<String>) -> Option<SessionToken> {
    (!text.is_empty()).then(|| SessionToken::new(text))
}

async fn find(work: &Work, login_name: &str) -> Result<UserId, ErrorStatus> {
    let found = sessions(work)?.find_user(&work.proof, login_name).await;
    found.map_err(|error| refuse(work, &error))
}

/// A proof about the user, where the request names one in another way than by id.
async fn about(
    work: &Work,
    user: Option<&UserId>,
) -> Result<portcullis_core::Authorized, ErrorStatus> {
    let target = user.map_or("", UserId::as_str);
    work.prove(&Access::to(Permission::SessionWrite, target))
        .await
}

/// A user who is looked for and not found has the id that reads have.
fn refuse(work: &Work, error: &portcullis_core::Error) -> ErrorStatus {
    match error.kind() {
        ErrorKind::UserNotFound => user::not_found(),
        _ => work.refuse(error),
    }
}

fn session(view: SessionView) -> v2::Session {
    let user = view.user.map(|(id, checked)| v2::UserFactor {
        verified_at: buffa::MessageField::some(details::timestamp(checked)),
        id: id.as_str().to_owned(),
        login_name: view.login_name.unwrap_or_default(),
        organization_id: view.details.resource_owner.as_str().to_owned(),
    });
    let password = view.password.map(|checked| v2::PasswordFactor {
        verified_at: buffa::MessageField::some(details::timestamp(checked)),
    });
    v2::Session {
        id: view.session,
        creation_date: view.details.creation_date.map(details::timestamp).into(),
        change_date: view.details.change_date.map(details::timestamp).into(),
        sequence: view.details.sequence,
        factors: buffa::MessageField::some(v2::Factors {
            user: user.into(),
            password: password.into(),
        }),
        expiration_date: view.expires.map(details::timestamp).into(),
    }
}
