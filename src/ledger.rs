//! THE BOOK: the change-origin ledger. Why every value is what it is, and what became of every write.

pub mod entry;
pub mod origin;

pub use entry::{Creation, CreationOnR, Detail, Entry, Kind, Origin, Outcome, PictureAct, VariantCreation};
