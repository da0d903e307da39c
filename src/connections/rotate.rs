//! Sealing everything anew under another master key.

use secrecy::SecretString;

use super::answers::{NO_CONNECTION, answer_name};
use super::oauth::{REFRESH, VERIFIER, access_kind};
use crate::clock::Instant;
use crate::ids::{ConnectionId, SharedIds};
use crate::store::{Store, StoreError, seals};
use crate::vault::{Vault, VaultError};

/// What was sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotated {
    /// Secrets of connections.
    pub secrets: usize,
    /// Kept answers of the interface.
    pub answers: usize,
    /// Permissions of merchants that no connection uses yet.
    pub grants: usize,
    /// What was under the present key already.
    pub already: usize,
}

/// Why nothing was sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret is under a key that is not known.
    #[error(
        "{what} of connection {connection} is sealed under the key {key_id}, which is neither the new key nor the old one"
    )]
    UnknownKey {
        /// Whose.
        connection: ConnectionId,
        /// Which secret.
        what: String,
        /// The key's id.
        key_id: String,
    },
    /// It could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Seals everything under the present key of `vault`, which opens what is under the old one.
///
/// One transaction: whoever dies at it has changed nothing, and may begin again. Beginning again when all is done does
/// nothing.
pub async fn seal_anew(
    store: &Store,
    vault: &Vault,
    ids: &SharedIds,
    now: Instant,
) -> Result<Rotated, RotateError> {
    let mut rotated = Rotated::default();
    let mut db = store.begin().await?;
    let anew = |connection: ConnectionId, what: &str, key_id: &str, sealed: &[u8]| {
        let opened: Result<SecretString, VaultError> = vault.open(connection, what, sealed);
        let opened = opened.map_err(|_| RotateError::UnknownKey {
            connection,
            what: what.to_owned(),
            key_id: key_id.to_owned(),
        })?;
        Ok::<_, RotateError>(vault.seal(ids, connection, what, &opened)?)
    };
    for mut secret in seals::lock_all(&mut db).await? {
        if secret.key_id == vault.key_id() {
            rotated.already += 1;
            continue;
        }
        secret.sealed = anew(secret.connection_id, &secret.kind, &secret.key_id, &secret.sealed)?;
        vault.key_id().clone_into(&mut secret.key_id);
        seals::replace(&mut db, &secret, now).await?;
        rotated.secrets += 1;
    }
    for mut answer in seals::lock_answers(&mut db).await? {
        if answer.key_id == vault.key_id() {
            rotated.already += 1;
            continue;
        }
        let name = answer_name(&answer.caller, &answer.idem_key);
        answer.sealed = anew(NO_CONNECTION, &name, &answer.key_id, &answer.sealed)?;
        vault.key_id().clone_into(&mut answer.key_id);
        seals::replace_answer(&mut db, &answer).await?;
        rotated.answers += 1;
    }
    for grant in seals::lock_grants(&mut db).await? {
        // It does not tell its key, and lives for minutes: one that does not open is asked for again.
        let part = |kind: &str, sealed: Option<&Vec<u8>>| {
            sealed.map(|sealed| anew(grant.connection_id, kind, "", sealed)).transpose()
        };
        let parts = part(VERIFIER, grant.verifier.as_ref()).and_then(|verifier| {
            let access = part(access_kind(grant.side), grant.access.as_ref())?;
            Ok((verifier, access, part(REFRESH, grant.refresh.as_ref())?))
        });
        match parts {
            Ok((verifier, access, refresh)) => {
                seals::replace_grant(&mut db, &seals::Granted { verifier, access, refresh, ..grant }).await?;
                rotated.grants += 1;
            }
            Err(RotateError::UnknownKey { .. }) => {
                let words = "its tokens are under a master key that is gone: start anew";
                seals::void_grant(&mut db, grant.connection_id, grant.side, words).await?;
            }
            Err(error) => return Err(error),
        }
    }
    db.commit().await?;
    Ok(rotated)
}
