//! Passwords that are made up here.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Engine, set::Setting};
use crate::{
    authority::{Authorized, Permission},
    error::{Error, ErrorKind},
    id::Operation,
    policy::ComplexityPolicy,
    random::RandomSource,
    secret::Password,
    service::{InitialPassword, IssueInitialPassword},
    store::Method,
};

/// At least this long, which is 74 bits.
const LENGTH: usize = 16;
/// What people do not confuse. Each alphabet divides 256, so a random byte chooses without a bias.
const ANY: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
const LOWER: &[u8] = b"abcdefghjkmnpqrs";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQR";
const DIGITS: &[u8] = b"23456789";
const SYMBOLS: &[u8] = b"-+=:.,!?";
const _: () = assert!(ANY.len() == 32 && LOWER.len() == 16 && UPPER.len() == 16);

impl Engine {
    pub(super) async fn issue_initial(
        &self,
        proof: &Authorized,
        request: IssueInitialPassword,
    ) -> Result<InitialPassword, Error> {
        let key = proof.covers(Permission::UserWrite, &request.user)?;
        let operation = self.name(request.operation)?;
        let method = Method::SetInitialPassword;
        if let Some(details) = self.earlier(&key, operation, &[method]).await? {
            return Ok(InitialPassword {
                details,
                password: None,
            });
        }
        let policy = self.policies.complexity(key.organisation()).await?;
        let (first, second) = generate(&policy, &*self.random)?;
        let setting = Setting {
            proof,
            key,
            method,
            password: Arc::new(first),
            must_change: true,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        let set = self.set_anew(&setting).await;
        let (details, is_ours) = set.map_err(|error| error.with_operation(setting.operation))?;
        // Under an id that the caller gave, another call may have set another one meanwhile.
        let is_set = is_ours || matches!(operation, Operation::Fresh(_));
        Ok(InitialPassword {
            details,
            password: is_set.then_some(second),
        })
    }
}

/// The same password twice: one to hash, one to hand out.
fn generate(
    policy: &ComplexityPolicy,
    random: &dyn RandomSource,
) -> Result<(Password, Password), Error> {
    let bug = |error| Error::new(ErrorKind::Bug).with_source(error);
    let length = LENGTH.max(usize::from(policy.min_length));
    let mut bytes = Zeroizing::new(vec![0; length]);
    random.fill(&mut bytes).map_err(bug)?;
    let mut text = Zeroizing::new(String::with_capacity(length));
    // The classes come first: places that are known cost a guesser nothing to know.
    let classes = [LOWER, UPPER, DIGITS, SYMBOLS].into_iter();
    let alphabets = classes.chain(std::iter::repeat(ANY));
    for (byte, alphabet) in bytes.iter().zip(alphabets) {
        let letter = alphabet.get(usize::from(*byte) % alphabet.len());
        text.extend(letter.map(|letter| char::from(*letter)));
    }
    let bug = |error| Error::new(ErrorKind::Bug).with_source(error);
    // A password cannot be cloned, on purpose; this is the one place where there are two.
    let twin = Password::new(text.clone()).map_err(bug)?;
    Ok((Password::new(text).map_err(bug)?, twin))
}
