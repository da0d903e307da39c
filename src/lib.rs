//! Concord keeps a product catalogue in step, both ways, between Lightspeed Retail POS (R-Series)
//! and Lightspeed eCom (E-Series).

pub mod clock;
pub mod ids;
pub mod sandbox;
pub mod store;
