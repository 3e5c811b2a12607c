//! What a session has checked, once, whatever becomes of writing it down.

use super::{CreateSession, sessions::Sessions, stored::Stored};
use crate::{
    authority::Authorized,
    clock::Timestamp,
    error::{Error, ErrorKind, Refusal, SessionRefusal},
    id::UserId,
    service::CheckPassword,
    status::AnswerMode,
};

/// Checks that were passed.
pub(super) struct Checked {
    at: Timestamp,
    user: Option<UserId>,
    login_name: Option<String>,
    /// Whose password was right, and that user's epoch.
    password: Option<(UserId, u64)>,
}

impl Sessions {
    /// Checks what a request asks to check. The password is taken out of it.
    pub(super) async fn check(
        &self,
        proof: &Authorized,
        session: &Stored,
        request: &mut CreateSession,
    ) -> Result<Checked, Error> {
        let at = self.now();
        if let Some(user) = &request.user {
            session.may_be_of(user)?;
        }
        let password = match request.password.take() {
            Some(password) => {
                let user = request.user.as_ref().or(session.user.as_ref());
                let user = user.ok_or(ErrorKind::SessionRefused(SessionRefusal::NoUser))?;
                let check = CheckPassword::new(user.clone(), password);
                let verified = self.service.check_password(proof, check).await;
                let verified = verified.map_err(|error| self.not_found(error))?;
                Some((user.clone(), verified.epoch))
            }
            None => None,
        };
        // Whoever has a password compared has been found by it, at the price of an attempt.
        if let (Some(user), None, AnswerMode::Zitadel) = (&request.user, &password, self.answers) {
            self.person(proof.organisation(), user).await?;
        }
        Ok(Checked {
            at,
            user: request.user.clone(),
            login_name: request.login_name.clone(),
            password,
        })
    }

    /// There is one answer to a user who is not there, with a password and without.
    fn not_found(&self, error: Error) -> Error {
        match (error.kind(), self.answers) {
            (ErrorKind::Refused(Refusal::UserNotFound), AnswerMode::Zitadel) => {
                Error::new(ErrorKind::UserNotFound).with_source(error)
            }
            _ => error,
        }
    }
}

impl Stored {
    /// The user of a session stays.
    fn may_be_of(&self, user: &UserId) -> Result<(), Error> {
        if self.user.as_ref().is_some_and(|before| before != user) {
            Err(ErrorKind::SessionRefused(SessionRefusal::UserDiffers).into())
        } else {
            Ok(())
        }
    }

    /// Writes down what was checked, unless a later check, or one of a newer password, was written
    /// down meanwhile.
    pub(super) fn note(&mut self, checked: &Checked) -> Result<(), Error> {
        if let Some(user) = &checked.user {
            self.may_be_of(user)?;
            if let Some(name) = &checked.login_name {
                self.login_name = Some(name.clone());
            }
            self.user = Some(user.clone());
            self.user_checked = self.user_checked.max(Some(checked.at));
        }
        if let Some((user, epoch)) = &checked.password {
            self.may_be_of(user)?;
            if (self.epoch, self.password_checked) < (Some(*epoch), Some(checked.at)) {
                (self.password_checked, self.epoch) = (Some(checked.at), Some(*epoch));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::token::SessionToken, *};
    use crate::{
        authority::{Caller, Permission},
        danger,
        id::OrgId,
        random::OsRandom,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn checked(seconds: i64, epoch: u64) -> Checked {
        let user = UserId::new("alice").unwrap();
        Checked {
            at: at(seconds),
            user: Some(user.clone()),
            login_name: None,
            password: Some((user, epoch)),
        }
    }

    #[test]
    fn an_older_check_takes_the_place_of_no_newer_one() {
        let (admin, acme) = (UserId::new("admin").unwrap(), OrgId::new("acme").unwrap());
        let caller = Caller::new(admin, None);
        let proof = danger::assume(caller, acme, Permission::SessionWrite, "");
        let token = SessionToken::draw(&OsRandom).unwrap();
        let mut stored = Stored::new(&proof, &token);
        for (seconds, epoch, written) in [
            (20, 2, (20, 2)),
            (10, 2, (20, 2)),
            (30, 1, (20, 2)),
            (25, 2, (25, 2)),
            (5, 3, (5, 3)),
        ] {
            stored.note(&checked(seconds, epoch)).unwrap();
            let (checked, epoch) = (stored.password_checked.unwrap(), stored.epoch.unwrap());
            assert_eq!((checked, epoch), (at(written.0), written.1));
        }
        assert_eq!(stored.user_checked, Some(at(30)));
    }
}
