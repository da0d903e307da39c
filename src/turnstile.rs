//! Where a process can die, and where others can act in between.
//!
//! Everything that Concord does to the world outside passes one of two places: a transaction of the database,
//! or a call to a platform. A [`Turnstile`] stands at both. In production it is open and costs nothing. A test
//! hands in one that stops a worker there, kills it, lets somebody else act first, or breaks the database: so
//! every order of events that can happen can be made to happen, and happens again the same way.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

/// Something is about to happen, or just has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// A transaction is about to begin.
    Begin(&'static Location<'static>),
    /// A transaction is about to be committed: whoever dies here has not written anything.
    Commit(&'static Location<'static>),
    /// A transaction is committed: whoever dies here has written, and does not know.
    Committed(&'static Location<'static>),
    /// A transaction was dropped without a commit.
    RolledBack,
    /// A call is about to be sent: method, path and query.
    Call(String),
    /// A call was answered, or its answer lost: whoever dies here has called, and does not know.
    Answered(String),
}

impl fmt::Display for Point {
    /// Places by file and line, so that a trace reads like a walk through the code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(at) => write!(f, "begin {}:{}", at.file(), at.line()),
            Self::Commit(at) => write!(f, "commit {}:{}", at.file(), at.line()),
            Self::Committed(at) => write!(f, "committed {}:{}", at.file(), at.line()),
            Self::RolledBack => f.write_str("rolled back"),
            Self::Call(what) => write!(f, "call {what}"),
            Self::Answered(how) => write!(f, "answered {how}"),
        }
    }
}

/// Whoever watches a turnstile decides how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As if nobody watched.
    Free,
    /// The database breaks off here. At a call it means nothing.
    Broken,
}

/// A passage that may be waited for.
pub type Passing<'a> = Pin<Box<dyn Future<Output = Passage> + Send + 'a>>;

/// Watches a turnstile.
pub trait Watcher: Send + Sync + fmt::Debug {
    /// Resolves when whoever stands at `point` may go on.
    fn pass(&self, point: Point) -> Passing<'_>;
    /// The same where nobody can wait: in a destructor.
    fn note(&self, point: Point);
}

/// Open, unless somebody watches it.
#[derive(Debug, Clone, Default)]
pub struct Turnstile {
    watcher: Option<Arc<dyn Watcher>>,
}

impl Turnstile {
    /// A turnstile that `watcher` watches.
    #[must_use]
    pub fn watched(watcher: Arc<dyn Watcher>) -> Self {
        Self { watcher: Some(watcher) }
    }

    /// Passes; at once when nobody watches. The point is made only for a watcher.
    pub async fn pass(&self, point: impl FnOnce() -> Point) -> Passage {
        match &self.watcher {
            Some(watcher) => watcher.pass(point()).await,
            None => Passage::Free,
        }
    }

    /// Tells the watcher, without waiting.
    pub fn note(&self, point: impl FnOnce() -> Point) {
        if let Some(watcher) = &self.watcher {
            watcher.note(point());
        }
    }
}
