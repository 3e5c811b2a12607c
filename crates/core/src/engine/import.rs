//! A user comes from elsewhere, with a password or with a hash of one.

use std::sync::Arc;

use super::Engine;
use crate::{
    authority::{Authorized, Permission},
    derived::eighteen_digits,
    details::ObjectDetails,
    error::{Error, ErrorKind},
    hash::HashKind,
    hash_string::HashString,
    id::{Operation, OperationId, OrgId, UserId, UserKey},
    login_name::Claim,
    secret::Password,
    service::{ImportUser, Imported, ImportedPassword},
    store::{CreateOutcome, Method, NewUser, UserKind},
};

impl Engine {
    pub(super) async fn import(
        &self,
        proof: &Authorized,
        request: ImportUser,
    ) -> Result<Imported, Error> {
        let organisation = proof.covers_organisation(Permission::UserWrite)?;
        let operation = self.name(request.operation)?;
        let id = operation.id();
        let result = async {
            let user = new_id(organisation, id)?;
            let key = UserKey::new(organisation.clone(), user.clone());
            let mut details = match self.earlier(&key, operation, &[Method::Create]).await? {
                Some(details) => details,
                None => self.create(proof, key, request, operation).await?,
            };
            // As upstream, what begins has a creation date and no change date.
            details.creation_date = details.change_date.take();
            Ok(Imported { user, details })
        };
        result
            .await
            .map_err(|error: Error| error.with_operation(id))
    }

    async fn create(
        &self,
        proof: &Authorized,
        key: UserKey,
        request: ImportUser,
        operation: Operation,
    ) -> Result<ObjectDetails, Error> {
        let hash = match request.password {
            ImportedPassword::None => None,
            ImportedPassword::Hash(hash) => {
                let admitted = self.hashing.admits(&hash);
                admitted.map_err(ErrorKind::HashRefused)?;
                Some(hash)
            }
            ImportedPassword::Password(password) => Some(self.hash_of(&key, password).await?),
        };
        if let Some(names) = &self.names
            && names.claim(&key, &request.username).await? == Claim::Taken
        {
            return Err(ErrorKind::UserExists.into());
        }
        let (kind, editor) = (UserKind::Human, proof.caller().user().clone());
        let user = NewUser::new(key.clone(), request.username, kind, operation.id());
        let user = user.with_editor(editor);
        let user = match hash {
            Some(hash) => user.with_hash(hash, request.must_change),
            None => user,
        };
        match self.store.create(&user).await {
            Ok(CreateOutcome::Created(details) | CreateOutcome::Replayed(details)) => Ok(details),
            Ok(CreateOutcome::OperationReused) => Err(ErrorKind::OperationReused.into()),
            // Ids are made from operation ids, so another one would have to have the same.
            Ok(CreateOutcome::Exists) => Err(ErrorKind::UserExists.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn hash_of(&self, key: &UserKey, password: Password) -> Result<HashString, Error> {
        self.check_policy(key, &password).await?;
        let mut admission = self.hashing.admit(key.organisation())?;
        let password = Arc::new(password);
        Ok(admission.hash(HashKind::Set, &password).await?)
    }
}

/// An id that the same operation makes again.
fn new_id(organisation: &OrgId, operation: OperationId) -> Result<UserId, Error> {
    UserId::new(eighteen_digits("user", organisation, operation.as_bytes()))
        .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
}
