//! THE STAGE: both platforms with their habits and faults, in memory and served over loopback HTTP.

pub mod catalogue;
pub mod eseries;
pub mod faults;
pub mod import;
pub mod line;
pub mod merchants;
pub mod outbox;
pub mod picture;
pub mod relay;
pub mod rseries;
pub mod stage;
pub mod visitor;
