//! From a change on one side to the other side, and what may go wrong on the way.

mod archive;
mod brake;
mod catalogue;
mod crash;
mod doors;
mod fields;
mod first_sync;
mod full_look;
mod limits;
mod never_touched;
mod outage;
mod plan;
mod preview;
mod races;
mod stock_doubts;
mod stock_races;
mod stock_sales;
mod stop;
mod together;
pub mod variants;
