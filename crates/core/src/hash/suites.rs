//! Hash suites as labels of metrics, of which there must not be too many.

use std::sync::{Arc, Mutex, PoisonError};

/// Imported hashes can have any parameters, so only the first few suites get a label of their own.
const MOST: usize = 8;
const OTHER: &str = "other";

/// The suites that have been seen, the hasher's own first.
#[derive(Debug)]
pub(super) struct Suites(Mutex<Vec<Arc<str>>>);

impl Suites {
    pub(super) fn new(own: String) -> Self {
        Self(Mutex::new(vec![own.into()]))
    }

    /// The label of this suite: itself, or `other` once there are too many.
    pub(super) fn label(&self, suite: &str) -> Arc<str> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.iter().find(|known| ***known == *suite) {
            return Arc::clone(known);
        }
        let label = if seen.len() < MOST { suite } else { OTHER };
        let label: Arc<str> = label.into();
        if seen.len() < MOST {
            seen.push(Arc::clone(&label));
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_cannot_make_labels_without_end() {
        let suites = Suites::new("own".to_owned());
        let labels: std::collections::BTreeSet<_> = (0..1_000)
            .map(|number| suites.label(&number.to_string()))
            .collect();
        assert_eq!(labels.len(), MOST);
        assert_eq!(&*suites.label("own"), "own");
        assert_eq!(&*suites.label("0"), "0");
        assert_eq!(&*suites.label("999"), OTHER);
    }
}
