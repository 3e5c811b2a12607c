//! The suite for documents: its list, as data and as tests, and its cases by theme.

mod conflicts;
mod ends;
mod list;
mod names;
mod races;
mod replays;
mod texts;
mod world;
mod writes;

use std::{fmt, pin::Pin};

use crate::{fixture::DocumentFixture, suite::on_a_runtime};
use world::World;

type CaseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One case of the suite for documents.
#[derive(Clone, Copy)]
pub struct DocumentCase {
    name: &'static str,
    body: fn(World) -> CaseFuture,
}

impl DocumentCase {
    /// Its name: the theme and the behaviour, as `replays::a_removal_again_is_one_removal`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it over a fresh store, on a multi-threaded runtime of its own.
    ///
    /// # Panics
    ///
    /// When the store does not keep the contract.
    pub fn run<F: DocumentFixture>(&self) {
        on_a_runtime(async {
            let world = World::new(F::open().await);
            (self.body)(world).await;
        });
    }
}

impl fmt::Debug for DocumentCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DocumentCase").field(&self.name).finish()
    }
}

/// Every case about documents, in the order of the list.
///
/// ```
/// assert!(portcullis_testkit::document_cases().len() >= 30);
/// ```
#[must_use]
pub const fn document_cases() -> &'static [DocumentCase] {
    CASES
}

/// Runs the case of this name; what [`document_conformance!`](crate::document_conformance)
/// expands to.
#[doc(hidden)]
pub fn run<F: DocumentFixture>(name: &str) {
    let case = CASES.iter().find(|case| case.name == name);
    case.expect("the list is the only source of names")
        .run::<F>();
}

macro_rules! as_data {
    ($($theme:ident { $($case:ident,)+ })+) => {
        const CASES: &[DocumentCase] = &[$($(
            DocumentCase {
                name: concat!(stringify!($theme), "::", stringify!($case)),
                body: |world| Box::pin(async move { $theme::$case(&world).await }),
            },
        )+)+];
    };
}

crate::__with_document_cases!(as_data);
