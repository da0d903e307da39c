//! Who may: the admin token, and keys with scopes. Only hashes are kept of either.
//!
//! Every request under `/v1` passes [`guard`], which asks in this order: who is it (401), does it ask too often
//! (429), may it do that (403), does the operation know what is asked of it (400).

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Desk;
use super::arrival::Arrival;
use super::operations::{OPERATIONS, Operation};
use super::problem::Problem;
use super::{acts, limits};
use crate::clock::before;
use crate::ids::KeyId;
use crate::store::api_keys;

/// With what every key begins, so that one is known wherever it turns up.
const PREFIX: &str = "concord_key_";
/// Bytes of a key that nobody can guess.
const SECRET: usize = 24;
/// The last use of a key is written down at most so often.
const USE_NOTED_EVERY: Duration = Duration::from_secs(300);

/// What a key is good for. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To look.
    Read,
    /// To have Concord work, decide and change settings.
    Operate,
    /// To connect and to forget accounts, to make and revoke keys, to read the audit.
    Admin,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// The word in the interface and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The reverse of [`Scope::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key; none for the admin token.
    pub key_id: Option<KeyId>,
    /// Its name.
    pub name: String,
    /// The widest of its scopes.
    pub scope: Option<Scope>,
    /// The request.
    pub request_id: String,
    /// Where it comes from, where that is known.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The id of the key, or `admin`.
    #[must_use]
    pub fn id(&self) -> String {
        self.key_id.map_or_else(|| "admin".to_owned(), |key| key.to_string())
    }
}

/// A key as it is shown once.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: SecretString,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl NewKey {
    /// A key with this id out of these random bytes.
    #[must_use]
    pub fn new(key_id: KeyId, secret: &[u8; SECRET]) -> Self {
        let key = format!("{PREFIX}{}_{}", key_id.0.simple(), hex::encode(secret));
        Self { hash: Sha256::digest(key.as_bytes()).to_vec(), key: SecretString::from(key) }
    }
}

/// The id that stands in a key.
fn key_id(token: &str) -> Option<KeyId> {
    let (id, _) = token.strip_prefix(PREFIX)?.split_once('_')?;
    Uuid::try_parse(id).ok().map(KeyId)
}

/// The hash of the admin token.
#[derive(Debug, Clone)]
pub struct AdminToken {
    hash: [u8; 32],
}

impl AdminToken {
    /// From the token.
    #[must_use]
    pub fn new(token: &SecretString) -> Self {
        Self { hash: Sha256::digest(token.expose_secret().as_bytes()).into() }
    }

    /// From a stored hash.
    #[must_use]
    pub fn from_hash(hex_hash: &str) -> Option<Self> {
        Some(Self { hash: hex::decode(hex_hash).ok()?.try_into().ok()? })
    }

    /// The hash, to be stored.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(self.hash)
    }

    fn admits(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.hash.ct_eq(&hash).into()
    }
}

/// Lets a request through if it may.
pub async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (caller, operation) = match admit(&desk, &parts).await {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(caller.clone());
    match operation {
        Some(operation) if operation.acts() => acts::act(&desk, &caller, operation, request, next).await,
        // A method that the address does not take is refused further on.
        _ => next.run(request).await,
    }
}

async fn admit(desk: &Desk, request: &Parts) -> Result<(Caller, Option<&'static Operation>), Problem> {
    let caller = who(desk, request).await?;
    if let Some(key) = caller.key_id {
        desk.limiter.key(key, desk.clock.now()).map_err(|wait| limits::too_often("key", wait))?;
    }
    let path = request.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    // What a HEAD asks for is what a GET would show.
    let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    let operation = OPERATIONS.get(method, path);
    if let Some(operation) = operation {
        let needed = operation.scope.unwrap_or(Scope::Read);
        if caller.scope < Some(needed) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "scope",
                format!(
                    "this needs a key with the scope {}; have an admin make one with POST /v1/api-keys",
                    needed.as_str()
                ),
            ));
        }
        operation.check_query(request.uri.query())?;
    }
    Ok((caller, operation))
}

/// One answer for every reason: none tells whether a key exists, is revoked or has expired.
fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send a valid access token or key: Authorization: Bearer …",
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn who(desk: &Desk, request: &Parts) -> Result<Caller, Problem> {
    let arrival = request.extensions.get::<Arrival>().cloned().unwrap_or_default();
    let token = bearer(&request.headers).ok_or_else(unknown)?;
    let caller = |key_id, name, scope| Caller {
        key_id,
        name,
        scope,
        request_id: arrival.request_id.clone(),
        address: arrival.address,
    };
    if desk.auth.admits(token) {
        return Ok(caller(None, "admin".to_owned(), Some(Scope::Admin)));
    }
    let key_id = key_id(token).ok_or_else(unknown)?;
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    let row = api_keys::get(&mut db, key_id).await?;
    drop(db);
    // Compared in any case: how long a refusal takes is not to tell whether there is such a key.
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let stored = row.as_ref().map_or([0; 32], |row| row.hash.as_slice().try_into().unwrap_or([0; 32]));
    let same: bool = hash.ct_eq(&stored).into();
    let living = |row: &api_keys::Row| row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > now);
    let row = row.filter(|row| same && living(row)).ok_or_else(unknown)?;
    let known_since = before(now, USE_NOTED_EVERY);
    if row.last_used_at.is_none_or(|at| at < known_since) {
        let noted = async {
            let mut db = desk.store.begin().await?;
            api_keys::used(&mut db, key_id, now, known_since).await?;
            db.commit().await
        };
        if let Err(error) = noted.await {
            warn!(%error, "the last use of a key was not written down");
        }
    }
    let scope = row.scopes.iter().filter_map(|word| Scope::parse(word)).max();
    Ok(caller(Some(key_id), row.name, scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_row_and_nothing_else_does() {
        let id = KeyId(Uuid::from_u128(7));
        let new = NewKey::new(id, &[0xab; SECRET]);
        let key = new.key.expose_secret();
        assert_eq!(key_id(key), Some(id));
        assert_eq!(new.hash, Sha256::digest(key.as_bytes()).to_vec());
        for none in [
            "",
            "concord_key_",
            "concord_key_x_y",
            "concord_abc",
            "concord_key_00000000000000000000000000000007",
        ] {
            assert_eq!(key_id(none), None, "{none}");
        }
    }

    #[test]
    fn a_wider_scope_includes_the_narrower_ones_and_none_is_none() {
        assert!(Some(Scope::Admin) >= Some(Scope::Operate) && Some(Scope::Operate) >= Some(Scope::Read));
        assert!(None < Some(Scope::Read));
        assert_eq!(Scope::ALL.map(|scope| Scope::parse(scope.as_str())), Scope::ALL.map(Some));
    }
}
