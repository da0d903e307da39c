//! From a change on one side to the other side, and what may go wrong on the way.

mod archive;
mod born_crash;
mod born_online;
mod brake;
mod catalogue;
mod crash;
mod doors;
mod fields;
mod full_look;
mod gone_online;
mod limits;
mod moves;
mod never_touched;
mod options;
mod outage;
mod plan;
mod races;
mod stock_doubts;
mod stock_races;
mod stock_sales;
mod stop;
mod together;
pub mod variants;
