//! E-Series (Ecwid REST API v3), as far as Concord uses it. Facts: `e-series-api.md`.

pub mod category;
pub mod client;
pub mod feed;
pub mod images;
pub mod oauth;
pub mod variations;
pub mod wire;

pub use client::Client;
