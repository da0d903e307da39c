//! Everything that is tested through the front: real Postgres, both sandboxes over HTTP, a manual clock.
//! Needs `CONCORD_TEST_DATABASE_URL`; `make test` provides it.

mod api;
mod flow;
mod sim;
mod support;
