//! R-Series API V3, as far as Concord uses it. Facts: `r-series-api.md`.

pub mod category;
pub mod client;
pub mod create;
pub mod feed;
pub mod images;
pub mod matrix;
pub mod oauth;
pub mod sales;
pub mod wire;

pub use client::{Client, Tokens};
