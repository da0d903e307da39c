//! `POST /batch` and its tickets (section 2.4 of the E-Series reference).

use std::collections::VecDeque;
use std::time::Duration;

use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};

use super::api::{self, Payload, Wanted};
use super::refusal::{Answer, Content, Refusal, reason};
use super::store::Store;
use super::values::{Query, page};
use crate::clock::{Instant, after};

/// The most requests one batch may hold.
const MOST: usize = 500;

/// How long a deduplication key is remembered.
const KEY_LIVES: Duration = Duration::from_hours(1);

/// All batches of the store, oldest first; they run one after the other, whoever sent them.
#[derive(Debug, Default)]
pub(super) struct Batches {
    all: VecDeque<Batch>,
    keys: Vec<Key>,
    made: u64,
}

#[derive(Debug)]
struct Key {
    text: String,
    ticket: String,
    first: Instant,
}

#[derive(Debug)]
struct Batch {
    ticket: String,
    token: String,
    requests: Vec<Inner>,
    /// Results by the place of the request; what has none is not executed (yet).
    results: Vec<Option<Answer>>,
    /// The places still to be executed, next one first.
    to_do: VecDeque<usize>,
    stop_on_first_failure: bool,
    group: Option<String>,
    due: Instant,
    finished: Option<Instant>,
}

#[derive(Debug)]
struct Inner {
    id: Option<String>,
    wanted: Wanted,
}

impl Batch {
    fn completed(&self) -> usize {
        self.results.iter().flatten().count()
    }

    fn status(&self) -> &'static str {
        match (self.finished, self.completed()) {
            (Some(_), _) => "COMPLETED",
            (None, 0) => "QUEUED",
            (None, _) => "IN_PROGRESS",
        }
    }
}

/// Takes a batch in: `POST /batch`.
pub(super) fn post(store: &mut Store, token: &str, wanted: &Wanted, now: Instant) -> Result<Answer, Refusal> {
    let query = &wanted.query;
    let stop_on_first_failure = query.switch("stopOnFirstFailure")?.unwrap_or(true);
    let parallel = query.is_on("allowParallelMode")?;
    store.batches.keys.retain(|key| after(key.first, KEY_LIVES) > now);
    let key = query.text("deduplicationKey").map(str::to_owned);
    if let Some(known) = store.batches.keys.iter().find(|known| Some(&known.text) == key.as_ref()) {
        return Ok(Answer::ok(json!({"ticket": known.ticket})));
    }
    let requests = read(wanted)?;
    let mut to_do: Vec<usize> = (0..requests.len()).collect();
    if parallel {
        // "Order not kept".
        to_do.shuffle(&mut store.generator);
    }
    store.batches.made += 1;
    let ticket = format!("{}-{}", store.config.store_id, store.batches.made);
    if let Some(text) = key {
        store.batches.keys.push(Key { text, ticket: ticket.clone(), first: now });
    }
    store.batches.all.push_back(Batch {
        ticket: ticket.clone(),
        token: token.to_owned(),
        results: vec![None; requests.len()],
        requests,
        to_do: to_do.into(),
        stop_on_first_failure,
        group: query.text("groupId").map(str::to_owned),
        due: after(now, Duration::from_secs(store.config.habits.batch_delay_seconds.into())),
        finished: None,
    });
    Ok(Answer::ok(json!({"ticket": ticket})))
}

fn read(outer: &Wanted) -> Result<Vec<Inner>, Refusal> {
    let invalid = |why: &str| {
        Refusal::wrong_parameter(format!("Can't create batch. Batch request body is invalid. {why}"))
    };
    let Payload::Json(Value::Array(items)) = &outer.payload else {
        return Err(invalid("Path $ contains bad value"));
    };
    if items.is_empty() || items.len() > MOST {
        return Err(invalid(&format!("A batch holds 1 to {MOST} requests")));
    }
    let mut requests = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let bad = |field: &str| invalid(&format!("Path $[{place}].{field} contains bad value"));
        let id = match item.get("id") {
            None | Some(Value::Null) => None,
            Some(id) => Some(id.as_str().map(str::to_owned).ok_or_else(|| bad("id"))?),
        };
        let path = item.get("path").and_then(Value::as_str).ok_or_else(|| bad("path"))?;
        let method = item.get("method").and_then(Value::as_str).ok_or_else(|| bad("method"))?;
        let method = method.parse().map_err(|_| bad("method"))?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments = api::segments(path);
        if segments.first().is_some_and(|first| first == "batch") {
            // Unknown; refused (section 2.4).
            return Err(bad("path"));
        }
        let payload = match item.get("body") {
            None | Some(Value::Null) => Payload::None,
            Some(body) => Payload::Json(body.clone()),
        };
        let (query, fetched) = (Query::parse(query), outer.fetched.clone());
        requests.push(Inner { id, wanted: Wanted { method, segments, query, payload, fetched } });
    }
    Ok(requests)
}

/// `GET /batch`: one ticket's result, or the list by status.
pub(super) fn get(store: &mut Store, query: &Query, now: Instant) -> Result<Answer, Refusal> {
    let Some(ticket) = query.text("ticket").map(str::to_owned) else {
        let status = query.text("status").ok_or_else(|| Refusal::wrong_parameter("Missing 'ticket'"))?;
        let found: Vec<&Batch> = store.batches.all.iter().filter(|it| it.status() == status).collect();
        let list = page(query, found, |it| json!({"ticket": it.ticket, "status": it.status()}))?;
        return Ok(Answer::ok(list));
    };
    let escaped = query.is_on("escapedJson")?;
    if store.config.habits.batch_runs_at_first_poll {
        run_polled(store, &ticket, now);
    }
    let found = store.batches.all.iter().find(|batch| batch.ticket == ticket);
    let batch = found.ok_or_else(|| Refusal::new(404, None, format!("Batch '{ticket}' not found")))?;
    let mut report = Map::new();
    report.insert("status".to_owned(), batch.status().into());
    report.insert("totalRequests".to_owned(), batch.requests.len().into());
    report.insert("completedRequests".to_owned(), batch.completed().into());
    let results = batch.requests.iter().zip(&batch.results);
    let responses =
        results.filter_map(|(request, result)| response(batch, request, result.as_ref(), escaped));
    report.insert("responses".to_owned(), responses.collect());
    Ok(Answer::ok(Value::Object(report)))
}

fn response(batch: &Batch, request: &Inner, result: Option<&Answer>, escaped: bool) -> Option<Value> {
    let mut entry = Map::new();
    if let Some(id) = &request.id {
        entry.insert("id".to_owned(), id.as_str().into());
    }
    let Some(answer) = result else {
        // Before the end nothing is said of what still waits.
        batch.finished?;
        entry.insert("status".to_owned(), "NOT_EXECUTED".into());
        return Some(Value::Object(entry));
    };
    entry.insert("status".to_owned(), if answer.status == 200 { "COMPLETED" } else { "FAILED" }.into());
    entry.insert("httpStatusCode".to_owned(), answer.status.into());
    entry.insert("httpStatusLine".to_owned(), reason(answer.status).into());
    match &answer.body {
        Content::Json(body) if escaped => {
            entry.insert("escapedHttpBody".to_owned(), body.to_string().into());
        }
        Content::Json(body) => {
            entry.insert("httpBody".to_owned(), body.clone());
        }
        Content::Html(_) | Content::Empty => {}
    }
    Some(Value::Object(entry))
}

/// `POST /batch/cancel-group`: what has not begun is never executed.
pub(super) fn cancel_group(store: &mut Store, query: &Query, now: Instant) -> Result<Answer, Refusal> {
    let group = query.text("groupId").ok_or_else(|| Refusal::wrong_parameter("Missing 'groupId'"))?;
    let mut cancelled = 0;
    for batch in &mut store.batches.all {
        if batch.group.as_deref() == Some(group) && batch.finished.is_none() {
            batch.to_do.clear();
            batch.finished = Some(now);
            cancelled += 1;
        }
    }
    Ok(Answer::ok(json!({"updateCount": cancelled})))
}

/// Runs what has fallen due by itself, and forgets tickets that have had their time.
pub(super) fn settle(store: &mut Store, now: Instant) {
    let lives = Duration::from_secs(store.config.habits.batch_ticket_seconds.into());
    let keys = std::mem::take(&mut store.batches.keys);
    store.batches.all.retain(|batch| {
        let remembered =
            keys.iter().any(|key| key.ticket == batch.ticket && after(key.first, KEY_LIVES) > now);
        remembered || batch.finished.is_none_or(|finished| after(finished, lives) > now)
    });
    store.batches.keys = keys;
    while let Some(place) = store.batches.all.iter().position(|batch| batch.finished.is_none()) {
        if store.batches.all.get(place).is_none_or(|batch| batch.due > now) {
            break;
        }
        run(store, place, MOST, now);
    }
}

/// A poll runs the polled batch a step further, and first everything before it.
fn run_polled(store: &mut Store, ticket: &str, now: Instant) {
    let Some(polled) = store.batches.all.iter().position(|batch| batch.ticket == ticket) else { return };
    for place in 0..polled {
        run(store, place, MOST, now);
    }
    let step = store.config.habits.batch_requests_per_poll.max(1);
    run(store, polled, step, now);
}

fn run(store: &mut Store, place: usize, most: usize, now: Instant) {
    for _ in 0..most {
        let Some(batch) = store.batches.all.get_mut(place).filter(|batch| batch.finished.is_none()) else {
            return;
        };
        let Some(next) = batch.to_do.pop_front() else { break };
        let Some(wanted) = batch.requests.get(next).map(|inner| inner.wanted.clone()) else { continue };
        let token = batch.token.clone();
        // The same code path as a direct call; the inner requests do not count against the limit.
        let answer = api::carry_out(store, &token, &wanted, now);
        let Some(batch) = store.batches.all.get_mut(place) else { return };
        if answer.status != 200 && batch.stop_on_first_failure {
            batch.to_do.clear();
        }
        if let Some(result) = batch.results.get_mut(next) {
            *result = Some(answer);
        }
    }
    if let Some(batch) = store.batches.all.get_mut(place)
        && batch.to_do.is_empty()
    {
        batch.finished.get_or_insert(now);
    }
}
