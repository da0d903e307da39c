//! Answers of the interface that are kept to be given again: they may hold a secret that is shown once, so they are
//! sealed like one.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::accounts::Accounts;
use crate::ids::ConnectionId;
use crate::store::StoreError;
use crate::vault::VaultError;

/// What a kept answer is sealed as: it opens for the same caller and key alone.
#[must_use]
pub fn answer_name(caller: &str, idem_key: &str) -> String {
    format!("answer/{caller}/{idem_key}")
}

/// Answers belong to callers and not to connections.
pub const NO_CONNECTION: ConnectionId = ConnectionId(Uuid::nil());

impl Accounts {
    /// Seals an answer; also tells under which key.
    pub fn seal_answer(&self, name: &str, text: &str) -> Result<(Vec<u8>, String), StoreError> {
        let vault = &self.wiring.vault;
        let sealed = vault.seal(&self.wiring.ids, NO_CONNECTION, name, &SecretString::from(text.to_owned()));
        let sealed = sealed.map_err(|error| StoreError::Unreadable(error.to_string()))?;
        Ok((sealed, vault.key_id().to_owned()))
    }

    /// Opens an answer.
    pub fn open_answer(&self, name: &str, sealed: &[u8]) -> Result<String, VaultError> {
        let opened = self.wiring.vault.open(NO_CONNECTION, name, sealed)?;
        Ok(opened.expose_secret().to_owned())
    }
}
