//! Ids that are made from what a call is named by, so that the same call makes the same one again.

use sha2::{Digest, Sha256};

use crate::id::OrgId;

/// 18 digits, as ZITADEL's ids have.
pub(crate) fn eighteen_digits(purpose: &str, organisation: &OrgId, name: &[u8]) -> String {
    const SMALLEST: u64 = 100_000_000_000_000_000;
    let digest = digest(purpose, organisation, name);
    let number = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    (SMALLEST + number % (9 * SMALLEST)).to_string()
}

/// A digest of a name within an organisation, for one purpose.
pub(crate) fn digest(purpose: &str, organisation: &OrgId, name: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [purpose.as_bytes(), organisation.as_str().as_bytes()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.update(name);
    digest.finalize().into()
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    // It never grows, so that no part of a secret is left behind.
    let mut text = String::with_capacity(2 * bytes.len());
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_apart_and_of_one_length() {
        let [acme, other] = ["acme", "other"].map(|id| OrgId::new(id).unwrap());
        let id = eighteen_digits("test", &acme, b"1");
        assert_eq!(id, eighteen_digits("test", &acme, b"1"));
        for different in [
            eighteen_digits("test", &acme, b"2"),
            eighteen_digits("test", &other, b"1"),
            eighteen_digits("tes", &acme, b"t1"),
        ] {
            assert_eq!(different.len(), 18);
            assert_ne!(different, id);
        }
    }
}
