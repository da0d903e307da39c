//! Process faults for real: the built binary is killed, together with its database and its platforms' lines,
//! while merchants are at work on both sides.
//!
//! This is the one test target that spends real time, because what it drives are processes. It polls, with
//! deadlines, and never waits for a fixed time where something can be asked for.
//!
//! `CONCORD_TEST_BINARY` names the binary (`make test` gives the release build), `CONCORD_KILLS` the number of
//! kills, `CONCORD_STORM_SEED` the seed. It needs no database: it starts its own, to be able to kill it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets something unforeseen fails, and that is what it is for"
)]

mod backup;
mod doctor;
mod first_start;
mod house;
mod laws;
mod merchants;
mod replicas;
mod stops;
mod storm;
mod walkthrough;
