//! Strangers, floods and platforms that lie: what they can cost.

mod doors;
mod load;
mod platforms;
mod turns;
