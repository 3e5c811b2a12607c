//! The list of cases, as data and as tests.

use std::{fmt, future::Future, pin::Pin};

use crate::{fixture::Fixture, world::World};

type CaseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    body: fn(World) -> CaseFuture,
}

impl Case {
    /// Its name: the theme and the behaviour, as `create::an_existing_user_is_never_touched`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it over a fresh store, on a multi-threaded runtime of its own.
    ///
    /// # Panics
    ///
    /// When the store does not keep the contract.
    pub fn run<F: Fixture>(&self) {
        on_a_runtime(async {
            let world = World::new(F::open().await);
            (self.body)(world).await;
        });
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Every case, in the order of the list.
///
/// ```
/// assert!(portcullis_testkit::cases().len() >= 60);
/// ```
#[must_use]
pub const fn cases() -> &'static [Case] {
    CASES
}

/// Runs the case of this name; what [`store_conformance!`](crate::store_conformance) expands to.
#[doc(hidden)]
pub fn run<F: Fixture>(name: &str) {
    let case = CASES.iter().find(|case| case.name == name);
    case.expect("the list is the only source of names")
        .run::<F>();
}

/// Runs a case on a multi-threaded runtime of its own.
pub(crate) fn on_a_runtime(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    runtime.expect("a runtime is built").block_on(case);
}

macro_rules! as_data {
    ($($theme:ident { $($case:ident,)+ })+) => {
        const CASES: &[Case] = &[$($(
            Case {
                name: concat!(stringify!($theme), "::", stringify!($case)),
                body: |world| Box::pin(async move { crate::cases::$theme::$case(&world).await }),
            },
        )+)+];
    };
}

crate::__with_cases!(as_data);
