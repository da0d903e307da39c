//! THE WAITING ROOM: the dirty set ([`crate::store::dirty`]), and those who work through it.

pub mod backoff;
mod crew;
pub mod worker;

pub use worker::Worker;
