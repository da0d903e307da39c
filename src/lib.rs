#![doc = include_str!("ARCHITECTURE.md")]

pub mod act;
pub mod catalog;
pub mod clock;
pub mod connections;
pub mod decide;
pub mod ids;
pub mod ledger;
pub mod mapping;
pub mod platforms;
pub mod queue;
pub mod reconcile;
pub mod sandbox;
pub mod store;
pub mod sweep;
pub mod vault;
