//! Accounts: connecting a merchant's two accounts, their settings, tokens and clients, and which process works on
//! them.

pub mod accounts;
mod answers;
pub mod booking;
pub mod connect;
mod grant;
pub mod oauth;
pub mod reconnect;
pub mod rotate;
pub mod settings;
pub mod shops;
pub mod tenure;
mod tokens;

pub use accounts::{Account, Accounts, PlatformApps};
pub use answers::{NO_CONNECTION, answer_name};
pub use booking::Booking;
pub use grant::Grant;
pub use settings::{BornOnline, GoneOnline, Settings};
pub use tokens::care;
