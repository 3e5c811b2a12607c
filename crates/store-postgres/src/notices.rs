//! What the server says beside an answer.
//!
//! A commit that waits for a synchronous standby can be told to wait no longer, with
//! `pg_cancel_backend`. The server then reports success, and a warning that the standby may not
//! have it. The driver hands warnings to nobody but the log, so they are overheard on their way
//! there; the application's log gets them all the same.

use std::{
    cell::{Cell, RefCell},
    pin::{Pin, pin},
    sync::OnceLock,
    task::Poll,
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber, dispatcher,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

/// What a future comes to, and whether the server warned of something meanwhile.
///
/// The driver reads in the task that waits for the answer, so this is the only future whose
/// warnings are heard here.
pub(crate) async fn overhear<F: Future>(future: F) -> (F::Output, bool) {
    let mut future = pin!(future);
    let mut warned = false;
    std::future::poll_fn(move |context| {
        let poll = listen(&mut warned, || Pin::new(&mut future).poll(context));
        match poll {
            Poll::Ready(output) => Poll::Ready((output, warned)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Listens to what is logged by this thread while it works.
fn listen<T>(warned: &mut bool, work: impl FnOnce() -> T) -> T {
    // A dispatcher that is the only one would not be asked about a line of code that logs for the
    // first time where nobody listens, and that line would stay silent.
    static EARS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    let [ear, _] = EARS.get_or_init(|| [Dispatch::new(Ear), Dispatch::new(Ear)]);
    let application = dispatcher::get_default(Dispatch::clone);
    let _listening = Listening::begin(application);
    let result = dispatcher::with_default(ear, work);
    *warned |= WARNED.get();
    result
}

thread_local! {
    static APPLICATION: RefCell<Option<Dispatch>> = const { RefCell::new(None) };
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Ends also if the work panics.
struct Listening;

impl Listening {
    fn begin(application: Dispatch) -> Self {
        APPLICATION.set(Some(application));
        WARNED.set(false);
        Self
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        APPLICATION.set(None);
    }
}

/// Notes warnings of the server, and hands everything on to what the application listens with.
struct Ear;

impl Ear {
    fn application() -> Option<Dispatch> {
        APPLICATION.with_borrow(Clone::clone)
    }
}

fn is_warning(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "sqlx::postgres::notice" && *metadata.level() <= Level::WARN
}

impl Subscriber for Ear {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_warning(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_warning(metadata) || Self::application().is_some_and(|other| other.enabled(metadata))
    }

    fn event(&self, event: &Event<'_>) {
        if is_warning(event.metadata()) {
            WARNED.set(true);
        }
        if let Some(other) = Self::application().filter(|other| other.enabled(event.metadata())) {
            other.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        Self::application().map_or_else(|| Id::from_u64(1), |other| other.new_span(span))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some(other) = Self::application() {
            other.record(span, values);
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if let Some(other) = Self::application() {
            other.record_follows_from(span, follows);
        }
    }

    fn enter(&self, span: &Id) {
        if let Some(other) = Self::application() {
            other.enter(span);
        }
    }

    fn exit(&self, span: &Id) {
        if let Some(other) = Self::application() {
            other.exit(span);
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        Self::application().map_or_else(|| id.clone(), |other| other.clone_span(id))
    }

    fn try_close(&self, id: Id) -> bool {
        Self::application().is_some_and(|other| other.try_close(id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn a_warning_of_the_server_is_heard_and_no_other() {
        let (five, warned) = overhear(async {
            tokio::task::yield_now().await;
            tracing::warn!(target: "sqlx::postgres::notice", "not replicated");
            tokio::task::yield_now().await;
            5
        })
        .await;
        assert_eq!((five, warned), (5, true));
        let others = overhear(async {
            tracing::warn!("of somebody else");
            tracing::info!(target: "sqlx::postgres::notice", "a table exists already");
        });
        assert_eq!(others.await, ((), false));
        // What is logged beside it is not taken for its own.
        tracing::warn!(target: "sqlx::postgres::notice", "not replicated");
        assert_eq!(overhear(async {}).await, ((), false));
    }

    #[tokio::test]
    async fn a_place_that_nobody_listened_to_at_first_is_heard_later() {
        let warn = || tracing::warn!(target: "sqlx::postgres::notice", "not replicated");
        overhear(async {}).await;
        std::thread::spawn(warn).join().unwrap();
        assert_eq!(overhear(async { warn() }).await, ((), true));
    }

    /// Notes what arrives, by its target.
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::WARN
        }

        fn event(&self, event: &Event<'_>) {
            let target = event.metadata().target().to_owned();
            self.0.lock().unwrap().push(target);
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(7)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_application_hears_everything_too() {
        let heard = Arc::new(Mutex::default());
        let log = Dispatch::new(Log(Arc::clone(&heard)));
        dispatcher::with_default(&log, || {
            let mut warned = false;
            listen(&mut warned, || {
                tracing::warn!(target: "sqlx::postgres::notice", "one");
                tracing::error!(target: "somebody else", "two");
                tracing::debug!(target: "nobody listens", "three");
            });
            assert!(warned);
            tracing::warn!(target: "after it", "four");
        });
        let heard = heard.lock().unwrap();
        assert_eq!(
            *heard,
            ["sqlx::postgres::notice", "somebody else", "after it"]
        );
    }
}
