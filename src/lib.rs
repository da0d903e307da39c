//! Concord keeps a product catalogue in step, both ways, between Lightspeed Retail POS (R-Series)
//! and Lightspeed eCom (E-Series).

pub mod catalog;
pub mod clock;
pub mod connections;
pub mod decide;
pub mod ids;
pub mod mapping;
pub mod ledger;
pub mod platforms;
pub mod sandbox;
pub mod store;
pub mod vault;
