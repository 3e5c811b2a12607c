//! Where everything is kept.
//!
//! | key | type | what |
//! | --- | --- | --- |
//! | `PREFIX{pN}u:ID` | string | a user |
//! | `PREFIX{pN}e:ID` | list | the user's events, in the order of their sequence |
//! | `PREFIX{pN}s:ID` | string | a sham |
//! | `PREFIX{pN}out` | stream | the partition's outbox: whose event, and which |
//! | `PREFIX{o:HEX}` | string | what an operation id came to, on one server |
//! | `PREFIX{pN}o:HEX` | string | the same in a cluster |
//! | `PREFIX{c:HEX}` | hash | who may use an operation id in a cluster |
//! | `PREFIX{pN}d:KIND:NAME` | string | a document, or what is left of one |
//!
//! `ID` is the two parts of the name in base64url, which has no dot, joined by a dot. It can be
//! read back, no two names share one, and nothing that Redis, Lua or a cluster gives a meaning to
//! can be in it. `NAME` is in base64url as well, and `KIND` is one of a few words.

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::{
    OperationId, OrgId, UserId, UserKey,
    store::{DocumentKey, Subject},
};
use sha2::{Digest, Sha256};

/// How many outboxes there are. It is part of the stored form and never changes.
pub(crate) const PARTITIONS: usize = 256;

/// The names of keys in one store.
#[derive(Clone)]
pub(crate) struct Keys {
    prefix: String,
    cluster: bool,
}

/// A user or a sham, and where it is kept.
pub(crate) struct Place {
    pub(crate) id: String,
    partition: u8,
    sham: bool,
}

impl Keys {
    pub(crate) fn new(prefix: String, cluster: bool) -> Self {
        Self { prefix, cluster }
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// The user or the sham itself.
    pub(crate) fn holder(&self, place: &Place) -> String {
        let kind = if place.sham { 's' } else { 'u' };
        self.within(place, kind, &place.id)
    }

    pub(crate) fn events(&self, place: &Place) -> String {
        self.within(place, 'e', &place.id)
    }

    pub(crate) fn outbox(&self, partition: u8) -> String {
        format!("{}{{p{partition}}}out", self.prefix)
    }

    /// One server finds an id of another subject under the one key that there is for it. In a
    /// cluster a script sees keys of one slot only, and the claim keeps other subjects out.
    pub(crate) fn operation(&self, place: &Place, operation: OperationId) -> String {
        if self.cluster {
            self.within(place, 'o', &operation.to_string())
        } else {
            format!("{}{{o:{operation}}}", self.prefix)
        }
    }

    pub(crate) fn claim(&self, operation: OperationId) -> String {
        format!("{}{{c:{operation}}}", self.prefix)
    }

    /// Its partition is its own: a document has nothing to do with a user, and no outbox.
    pub(crate) fn document(&self, key: &DocumentKey) -> String {
        let name = Base64UrlUnpadded::encode_string(key.name().as_bytes());
        let id = format!("{}:{name}", key.kind().as_str());
        format!("{}{{p{}}}d:{id}", self.prefix, partition(&id))
    }

    fn within(&self, place: &Place, kind: char, name: &str) -> String {
        format!("{}{{p{}}}{kind}:{name}", self.prefix, place.partition)
    }
}

impl Place {
    pub(crate) fn user(key: &UserKey) -> Self {
        let user = Base64UrlUnpadded::encode_string(key.user().as_str().as_bytes());
        Self::new(key.organisation(), &user, false)
    }

    /// None if the subject is of a kind that this release does not know.
    pub(crate) fn subject(subject: &Subject) -> Option<Self> {
        match subject {
            Subject::Sham { organisation, slot } => {
                Some(Self::new(organisation, &slot.to_string(), true))
            }
            Subject::User(key) => Some(Self::user(key)),
            _ => None,
        }
    }

    fn new(organisation: &OrgId, within: &str, sham: bool) -> Self {
        let organisation = Base64UrlUnpadded::encode_string(organisation.as_str().as_bytes());
        let id = format!("{organisation}.{within}");
        Self {
            partition: partition(&id),
            id,
            sham,
        }
    }

    pub(crate) const fn partition(&self) -> u8 {
        self.partition
    }

    pub(crate) const fn is_sham(&self) -> bool {
        self.sham
    }

    /// Who an operation id belongs to, together with the method.
    pub(crate) fn owner(&self) -> String {
        let kind = if self.sham { 's' } else { 'u' };
        format!("{kind}:{}", self.id)
    }
}

fn partition(id: &str) -> u8 {
    let [partition, ..]: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    partition
}

/// The user of an id; None if it is not one.
pub(crate) fn user_key(id: &str) -> Option<UserKey> {
    let (organisation, user) = id.split_once('.')?;
    let decode = |text: &str| String::from_utf8(Base64UrlUnpadded::decode_vec(text).ok()?).ok();
    let organisation = OrgId::new(decode(organisation)?).ok()?;
    Some(UserKey::new(organisation, UserId::new(decode(user)?).ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_core::store::DocumentKind;

    use super::*;

    fn key(organisation: &str, user: &str) -> UserKey {
        UserKey::new(
            OrgId::new(organisation).unwrap(),
            UserId::new(user).unwrap(),
        )
    }

    #[test]
    fn an_id_can_be_read_back() {
        for (organisation, user) in [("a", "b"), ("a.b", "c}{"), ("ä\u{202e}", "\r\n*")] {
            let key = key(organisation, user);
            assert_eq!(user_key(&Place::user(&key).id), Some(key));
        }
        for text in ["", ".", "YQ", "YQ.", "YQ.YQ.YQ", "YQ=.YQ", "_w.YQ"] {
            assert_eq!(user_key(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_key_has_one_hash_tag_and_no_part_of_a_name() {
        let keys = Keys::new("portcullis:".to_owned(), true);
        let place = Place::user(&key("}{a}", "{p0}u:\n"));
        let document = DocumentKey::new(DocumentKind::LoginName, "}{p0}d:\r\n*");
        let document = keys.document(&document);
        assert!(document.contains("}d:login_name:"), "{document}");
        for key in [keys.holder(&place), keys.events(&place)] {
            assert!(key.starts_with(&format!("portcullis:{{p{}}}", place.partition)));
        }
        for key in [keys.holder(&place), keys.events(&place), document] {
            assert_eq!(key.matches(['{', '}']).count(), 2);
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn shams_are_apart_from_users() {
        let keys = Keys::new(String::new(), false);
        // The id of this user is the id of that sham; the kind is what differs.
        let organisation = OrgId::new("acme").unwrap();
        let sham = Place::subject(&Subject::Sham {
            organisation,
            slot: 1234,
        })
        .unwrap();
        let user = Base64UrlUnpadded::decode_vec("1234").unwrap();
        assert_eq!(String::from_utf8(user).ok(), None);
        assert!(keys.holder(&sham).contains("}s:"));
        assert!(sham.owner().starts_with("s:"));
    }

    #[test]
    fn partitions_are_stable_and_all_used() {
        assert_eq!(Place::user(&key("acme", "42")).partition, 0xf8);
        let users = (0..4_000).map(|n| Place::user(&key("acme", &n.to_string())).partition);
        assert_eq!(users.collect::<BTreeSet<_>>().len(), PARTITIONS);
    }
}
