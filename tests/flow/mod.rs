//! From a change on one side to the other side, and what may go wrong on the way.

mod accounts;
mod archive;
mod brake;
mod catalogue;
mod crash;
mod doors;
mod fields;
mod full_look;
mod limits;
mod never_touched;
mod outage;
mod plan;
mod races;
mod replicas;
mod stock_doubts;
mod stock_races;
mod stock_sales;
mod stop;
mod together;
pub mod variants;
