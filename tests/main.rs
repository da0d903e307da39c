//! Everything that is tested through the front: real Postgres, both sandboxes over HTTP, a manual clock.
//! Needs `CONCORD_TEST_DATABASE_URL`; `make test` provides it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets something unforeseen fails, and that is what it is for"
)]

mod api;
mod conformance;
mod flow;
mod hostile;
mod sim;
mod support;
