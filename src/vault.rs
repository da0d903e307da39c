//! Secrets at rest: XChaCha20-Poly1305 under one master key, bound to the connection they belong to.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::ids::{ConnectionId, SharedIds};

const NONCE: usize = 24;

/// Seals and opens secrets.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    key_id: String,
    /// Earlier keys: they open, and seal nothing any more.
    earlier: Vec<XChaCha20Poly1305>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A secret that cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// Not base64 of 32 bytes.
    #[error(
        "CONCORD_MASTER_KEY must be base64 of exactly 32 bytes; make one with: head -c 32 /dev/urandom | base64"
    )]
    BadKey,
    /// Sealed under another key, or tampered with.
    #[error(
        "a stored secret cannot be opened with this master key (key id {0}): was CONCORD_MASTER_KEY changed?"
    )]
    WrongKey(String),
}

impl Vault {
    /// A vault under this key, base64 of 32 bytes.
    pub fn new(key: &SecretString) -> Result<Self, VaultError> {
        let (cipher, key_id) = read(key)?;
        Ok(Self { cipher, key_id, earlier: Vec::new() })
    }

    /// The same vault, which also opens what was sealed under an earlier key.
    pub fn also(mut self, earlier: &SecretString) -> Result<Self, VaultError> {
        self.earlier.push(read(earlier)?.0);
        Ok(self)
    }

    /// Names the key without telling it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Seals a secret. It can only be opened for the same connection and kind.
    pub fn seal(
        &self,
        ids: &SharedIds,
        connection: ConnectionId,
        kind: &str,
        secret: &SecretString,
    ) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0_u8; NONCE];
        ids.fill(&mut nonce);
        let bound = binding(connection, kind);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &bound };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| VaultError::WrongKey(self.key_id.clone()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a secret.
    pub fn open(
        &self,
        connection: ConnectionId,
        kind: &str,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        let wrong = || VaultError::WrongKey(self.key_id.clone());
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let bound = binding(connection, kind);
        let payload = || Payload { msg: sealed, aad: &bound };
        let ciphers = std::iter::once(&self.cipher).chain(&self.earlier);
        let mut opened = ciphers.map(|cipher| cipher.decrypt(&XNonce::from(*nonce), payload()));
        let opened = opened.find_map(Result::ok).ok_or_else(wrong)?;
        let opened = String::from_utf8(opened).map_err(|_| wrong())?;
        Ok(SecretString::from(opened))
    }
}

/// A key, base64 of 32 bytes, and what names it.
fn read(key: &SecretString) -> Result<(XChaCha20Poly1305, String), VaultError> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(key.expose_secret().trim());
    let bytes = Zeroizing::new(bytes.map_err(|_| VaultError::BadKey)?);
    let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| VaultError::BadKey)?;
    let digest = hex::encode(Sha256::digest(bytes.as_slice()));
    Ok((cipher, digest.chars().take(8).collect()))
}

fn binding(connection: ConnectionId, kind: &str) -> Vec<u8> {
    [connection.0.as_bytes().as_slice(), kind.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::GeneratedIds;

    #[test]
    fn a_secret_opens_only_for_its_own_connection_kind_and_key() {
        let key = |byte: u8| {
            use base64::Engine as _;
            SecretString::from(base64::engine::general_purpose::STANDARD.encode([byte; 32]))
        };
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(1));
        let (mine, other) = (ConnectionId(uuid::Uuid::from_u128(1)), ConnectionId(uuid::Uuid::from_u128(2)));
        let vault = Vault::new(&key(1)).unwrap();
        let mut sealed = vault.seal(&ids, mine, "token", &SecretString::from("s3cret")).unwrap();
        assert_eq!(vault.open(mine, "token", &sealed).unwrap().expose_secret(), "s3cret");
        assert!(vault.open(other, "token", &sealed).is_err());
        assert!(vault.open(mine, "key", &sealed).is_err());
        assert!(Vault::new(&key(2)).unwrap().open(mine, "token", &sealed).is_err());
        let new = Vault::new(&key(2)).unwrap().also(&key(1)).unwrap();
        assert_eq!(
            new.open(mine, "token", &sealed).unwrap().expose_secret(),
            "s3cret",
            "an earlier key opens"
        );
        assert!(new.open(other, "token", &sealed).is_err());
        let anew = new.seal(&ids, mine, "token", &SecretString::from("s3cret")).unwrap();
        assert!(vault.open(mine, "token", &anew).is_err(), "and seals nothing any more");
        sealed.truncate(10);
        assert!(vault.open(mine, "token", &sealed).is_err());
        assert!(Vault::new(&SecretString::from("short")).is_err());
        assert!(!format!("{vault:?}").contains("s3cret"));
    }
}
