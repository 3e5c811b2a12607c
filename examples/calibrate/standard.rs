//! The least that published standards accept.

use std::fmt;

use clap::ValueEnum;
use portcullis_core::Argon2Params;

/// Whose floors hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Standard {
    /// OWASP ASVS 5, appendix C
    Asvs,
    /// No floors; for trying things out
    None,
    /// OWASP's Password Storage Cheat Sheet
    Owasp,
    /// RFC 9106, section 4
    Rfc9106,
}

impl Standard {
    /// Those that have floors.
    pub(crate) const ALL: [Self; 3] = [Self::Owasp, Self::Asvs, Self::Rfc9106];

    /// Memory in KiB and passes, of which at least one pair has to be reached in both.
    const fn floors(self) -> &'static [(u32, u32)] {
        match self {
            Self::Asvs => &[(47_104, 1), (19_456, 2), (12_288, 3)],
            Self::None => &[(0, 0)],
            Self::Owasp => &[
                (47_104, 1),
                (19_456, 2),
                (12_288, 3),
                (9_216, 4),
                (7_168, 5),
            ],
            // It sets lanes too, but as many as threads hash one password, and here that is one.
            Self::Rfc9106 => &[(2_097_152, 1), (65_536, 3)],
        }
    }

    pub(crate) fn accepts(self, params: Argon2Params) -> bool {
        let mut floors = self.floors().iter();
        floors.any(|(memory, passes)| params.memory_kib() >= *memory && params.passes() >= *passes)
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asvs => "ASVS 5, appendix C",
            Self::None => "no standard",
            Self::Owasp => "OWASP's cheat sheet",
            Self::Rfc9106 => "RFC 9106, section 4",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(memory: u32, passes: u32) -> Vec<Standard> {
        let params = Argon2Params::new(memory, passes, 1).unwrap();
        let all = Standard::ALL.into_iter();
        all.filter(|standard| standard.accepts(params)).collect()
    }

    #[test]
    fn each_standard_has_its_own_floors() {
        use Standard::{Asvs, Owasp, Rfc9106};
        assert_eq!(accepted(7_168, 5), [Owasp]);
        assert_eq!(accepted(9_216, 4), [Owasp]);
        assert_eq!(accepted(9_216, 10), [Owasp]);
        assert_eq!(accepted(12_288, 3), [Owasp, Asvs]);
        assert_eq!(accepted(19_456, 2), [Owasp, Asvs]);
        assert_eq!(accepted(47_104, 1), [Owasp, Asvs]);
        assert_eq!(accepted(65_536, 3), [Owasp, Asvs, Rfc9106]);
    }

    #[test]
    fn work_alone_is_not_enough() {
        assert!(accepted(47_103, 1).is_empty());
        assert!(accepted(7_167, 10).is_empty());
        assert_eq!(accepted(524_288, 2), [Standard::Owasp, Standard::Asvs]);
    }

    #[test]
    fn without_a_standard_everything_goes() {
        assert!(Standard::None.accepts(Argon2Params::new(8, 1, 1).unwrap()));
    }

    #[test]
    fn the_check_of_the_library_agrees_with_owasp() {
        for memory in [7_168, 9_216, 12_288, 19_456, 47_104]
            .into_iter()
            .flat_map(|m| [m - 1, m])
        {
            for passes in 1..=10 {
                let params = Argon2Params::new(memory, passes, 1).unwrap();
                assert_eq!(Standard::Owasp.accepts(params), params.meets_owasp());
            }
        }
    }
}
