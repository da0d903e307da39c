//! THE DOOR: proves a notice, reads where it points, and writes it down before it is acknowledged.

pub mod accept;
pub mod hint;
pub mod verify;

pub use accept::Inbox;
