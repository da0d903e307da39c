//! From a change on one side to the other side, and what may go wrong on the way.

mod archive;
mod brake;
mod catalogue;
mod categories;
mod category_of_product;
mod crash;
mod doors;
mod fields;
mod full_look;
mod images;
mod images_back;
mod images_crash;
mod limits;
mod never_touched;
mod outage;
mod plan;
mod races;
mod retention;
mod stock_doubts;
mod stock_races;
mod stock_sales;
mod stop;
mod together;
pub mod undo;
pub mod variants;
