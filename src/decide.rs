//! THE STUDY, pure and synchronous: what was in step, what is seen now, what follows.
//!
//! A visit walks through here in this order: [`observe`] closes writes whose outcome was unclear,
//! [`merge()`] gives each field a verdict, [`plan()`] turns verdicts into steps, [`check`] refuses a plan
//! that must never be carried out, [`report`] says it in words.

pub mod brake;
pub mod check;
pub mod edit;
pub mod fall;
pub mod foresee;
pub mod gallery;
pub mod matching;
pub mod merge;
pub mod observe;
pub mod plan;
pub mod report;
pub mod shadow;
pub mod tree;

pub use merge::{Verdict, merge};
pub use plan::{Change, Plan, Step, plan};
pub use shadow::Shadow;

#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod laws;
