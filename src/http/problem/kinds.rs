//! Every kind of problem: what it means, and what to do. A test holds that no other is used.

/// A kind of problem.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The last part of its address.
    pub name: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// HTTP statuses it comes with.
    pub statuses: &'static [u16],
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// The kind of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

const fn kind(
    name: &'static str,
    statuses: &'static [u16],
    title: &'static str,
    meaning: &'static str,
    remedy: &'static str,
) -> Kind {
    Kind { name, title, statuses, meaning, remedy }
}

/// All of them, by name.
pub const KINDS: &[Kind] = &[
    kind(
        "address",
        &[414],
        "The address is too long",
        "Path and query together are longer than any that the interface hands out.",
        "Send what is long in the body, and take cursors from `next`.",
    ),
    kind(
        "body",
        &[400, 408, 413, 415, 422],
        "The body cannot be read",
        "It is no JSON (400), larger than allowed (413), not labelled as JSON (415), or does not have the form that \
         the operation wants (422). The detail names the place.",
        "Send Content-Type: application/json and a body as the interface document describes it.",
    ),
    kind(
        "busy",
        &[503],
        "Too much is asked at once",
        "All places for connections or requests are taken.",
        "Come again after the seconds in Retry-After. If it stays so, raise CONCORD_MAX_CONNECTIONS or look who asks \
         so much.",
    ),
    kind(
        "changed",
        &[409, 412],
        "It was changed by somebody else",
        "Since you read it, another request has changed it, so your change would undo theirs.",
        "Read it again, decide again, and send If-Match with the new ETag.",
    ),
    kind(
        "conflict",
        &[409],
        "It does not fit the present state",
        "The request makes sense, but not now: the detail says what stands in its way.",
        "Look at the present state and decide again.",
    ),
    kind(
        "database",
        &[503],
        "The database is not available",
        "Concord can neither read nor write now. Nothing was done.",
        "Come again after the seconds in Retry-After; `GET /health/ready` tells the reason.",
    ),
    kind(
        "envelope",
        &[400],
        "The notice has no readable envelope",
        "It is genuine or not, but it does not say what it is about.",
        "Compare it with the form that the interface document describes for this door.",
    ),
    kind(
        "idempotency",
        &[400, 409, 422],
        "The Idempotency-Key cannot be used",
        "It is not 1 to 255 visible characters (400), its first request is still under way (409), or it was used with \
         another request (422).",
        "Draw a new key for each new request, and send the same one only to repeat the same request; after a 409 wait \
         for the seconds in Retry-After.",
    ),
    kind(
        "internal",
        &[500],
        "Concord failed",
        "A fault of Concord itself. The log has the reason, under the request's id.",
        "Report it with the id in `instance`.",
    ),
    kind(
        "invalid",
        &[422],
        "It makes no sense",
        "The request can be read, but a value in it is impossible or contradicts another. The detail says which.",
        "Correct the value.",
    ),
    kind(
        "method",
        &[405],
        "The method is not taken here",
        "There is something at this address, but not for this method.",
        "Use one of the methods in the Allow header.",
    ),
    kind(
        "moved-on",
        &[409],
        "The value has moved on",
        "What is to be undone, or chosen, no longer stands: somebody has changed it since, or it is undone already. \
         Nothing was done.",
        "Look at the product and the history of the field, and decide again.",
    ),
    kind(
        "no-such-page",
        &[404],
        "There is nothing here",
        "No operation has this address.",
        "Compare it with the interface document at /openapi.json or /docs.",
    ),
    kind(
        "not-applicable",
        &[409],
        "That does not apply to this product now",
        "The product is not, or no longer, in the state that the call is for: on both sides already, archived, or kept \
         by a setting. The detail says which.",
        "Look at the product: its state, and what its reason asks for.",
    ),
    kind(
        "not-configured",
        &[409],
        "It is not set up",
        "The operation needs a setting of the service that is not there, such as the platform's application.",
        "Have the operator set what the detail names.",
    ),
    kind(
        "not-found",
        &[404],
        "There is no such record",
        "The address is right, but the id in it names nothing, or nothing any more.",
        "List the records and take an id from there.",
    ),
    kind(
        "not-proved",
        &[422],
        "A platform does not accept it",
        "Credentials, an account or a shop were tried against the platform in `side`, and it said no.",
        "The detail is what the platform said. Check the account number, the token and its scopes.",
    ),
    kind(
        "other-account",
        &[409],
        "It is another account",
        "The new credentials are good, but belong to another account or store than the connection's.",
        "Use credentials of the same account, or connect the other one as a connection of its own.",
    ),
    kind(
        "platform",
        &[502, 503],
        "A platform cannot be asked",
        "R-Series or E-Series refuses the call (502), or cannot be asked now: it is away, or its rate limit, or \
         Concord's own allowance of calls to it, is used up (503). That says nothing about what was sent.",
        "On 503 come again after the seconds in Retry-After; on 502 look at the connection's status.",
    ),
    kind(
        "query",
        &[400],
        "A parameter cannot be read",
        "A query parameter is unknown here, given twice, or not of its type.",
        "The detail names it; known parameters stand in the interface document.",
    ),
    kind(
        "run-has-ended",
        &[409],
        "The run has ended",
        "What was asked can only be done while the run is under way.",
        "Look at the run, or start a new one.",
    ),
    kind(
        "run-under-way",
        &[409],
        "A run is under way",
        "Another run over the catalogue has to end first.",
        "Follow that run, then ask again.",
    ),
    kind(
        "scope",
        &[403],
        "The key may not do that",
        "The key is valid, but lacks the scope that the operation needs.",
        "Use a key with the scope in the detail. An admin makes one with POST /v1/api-keys.",
    ),
    kind(
        "signature",
        &[401],
        "The notice is not genuine",
        "Its signature is missing, malformed or wrong, or the event is outside the replay window.",
        "Sign the raw body with the secret that was shown when the connection was made; check the sender's clock.",
    ),
    kind(
        "slow",
        &[408, 503],
        "It took too long",
        "The body did not arrive in time (408), or the work took too long and was given up (503).",
        "Come again. To repeat a POST safely, send an Idempotency-Key.",
    ),
    kind(
        "taken",
        &[409],
        "It is taken already",
        "An account can be in one connection only, and this one is.",
        "Use the connection that there is, or delete it first.",
    ),
    kind(
        "tied-already",
        &[409],
        "The product belongs to another one",
        "The product on E-Series that was chosen is tied to another product of the shop.",
        "Choose another one, or `create`; `GET …/reviews` names the candidates that are free.",
    ),
    kind(
        "too-many",
        &[429],
        "Asked too often",
        "The key or the address has used up its budget of requests.",
        "Come again after the seconds in Retry-After. An operator can raise the budgets: CONCORD_KEY_RATE, \
         CONCORD_ADDRESS_RATE, CONCORD_REFUSED_NOTICE_RATE.",
    ),
    kind(
        "unauthorized",
        &[401],
        "Who are you?",
        "No access token or key was sent, or it is not valid (any more).",
        "Send Authorization: Bearer with the admin token or a key that is neither revoked nor expired.",
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn texts(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_kind_that_is_used_is_in_the_table() {
        let (mut files, mut used) = (Vec::new(), 0);
        texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut files);
        for (file, text) in &files {
            if file.ends_with("kinds.rs") {
                continue;
            }
            let in_problem = file.ends_with("http/problem.rs");
            for start in ["Problem::new(", "Self::new("] {
                if start == "Self::new(" && !in_problem {
                    continue;
                }
                for piece in text.split(start).skip(1) {
                    // Status first, then the kind: the first text in the call.
                    let call = piece.split(';').next().unwrap();
                    let Some(name) = call.split('"').nth(1) else { continue };
                    assert!(
                        find(name).is_some(),
                        "{file}: the kind “{name}” has no row in http/problem/kinds.rs"
                    );
                    used += 1;
                }
            }
        }
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(used > 15, "only {used} uses were found");
    }
}
