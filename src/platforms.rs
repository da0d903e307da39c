//! THE WINDOWS: the only rooms that speak HTTP to the platforms.
//!
//! Both clients share the [`transport`], the tolerant readers of [`read`], the [`gate`] that keeps to
//! the platform's rate, and [`CallError`], which carries the decision what to do next.

mod calls;
pub mod error;
pub mod eseries;
pub mod gate;
mod mended;
pub mod outbound;
pub mod pictures;
pub mod read;
pub mod rseries;
pub mod transport;

pub use error::CallError;
pub use gate::Gate;
