//! Killed again and again under load: nothing that was acknowledged is lost, and the end is the right one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use concord::clock::Instant;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::outbox::{Delivery, DeliveryFaults};
use concord::sandbox::relay::RelayTarget;
use concord::sandbox::stage::Stage;
use concord::sandbox::{eseries, rseries};
use concord::store::dirty::LEASE;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::{
    ADMIN, Folder, MASTER_KEY, Postgres, Recipe, Service, free_port, now, open_stage, pause, since,
};
use crate::laws::Verdict;
use crate::merchants::Merchants;

/// Products at the first look.
const PRODUCTS: usize = 30;
/// Between two acts of the merchants.
const BETWEEN: Duration = Duration::from_millis(120);
/// Longest from the last kill until all is in step: the lease of the dead process, a write that is given time to
/// show up, some pauses after failures, and a busy machine.
const CONVERGED: Duration = Duration::from_secs(LEASE.as_secs() + 90);
/// So long it has to stay in step: longer than the store's index lags and the sweep pauses.
const QUIET: Duration = Duration::from_secs(9);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().unwrap())
}

/// The id of a notice that was answered 200.
fn acknowledged(delivery: &Delivery) -> Option<String> {
    if delivery.status != Some(200) {
        return None;
    }
    let header = delivery.headers.iter().find(|(name, _)| name == "X-Delivery-Id");
    if let Some((_, id)) = header {
        return Some(id.clone());
    }
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    Some(body["eventId"].as_str().unwrap().to_owned())
}

pub async fn connect(service: &Service, stage: &Stage, secrets: &mut Vec<String>) -> String {
    let (access, refresh) = stage.r.issue_tokens();
    let online = stage.e.issue_token();
    let body = json!({
        "name": "Process shop",
        "r_series": {"account_id": "4711", "access_token": access, "refresh_token": refresh,
            "shop_ids": ["1"], "primary_shop_id": "1"},
        "e_series": {"store_id": "1003", "access_token": online},
    });
    let made = service.visitor().post("/v1/connections", &body).await.unwrap();
    let (id, webhooks) = (made["id"].as_str().unwrap().to_owned(), &made["webhooks"]);
    let secret = webhooks["r_series_secret"].as_str().unwrap().to_owned();
    secrets.extend([access, refresh, online, secret.clone(), ADMIN.to_owned(), MASTER_KEY.to_owned()]);
    secrets.extend([rseries::Config::default().client_secret, eseries::Config::default().client_secret]);
    stage.e.set_webhook_url(Some(webhooks["e_series_url"].as_str().unwrap().to_owned()));
    let url = webhooks["r_series_url"].as_str().unwrap().to_owned();
    stage.relay.set_target(Some(RelayTarget { url, secret }));
    id
}

/// The status once the connection has been in step for `quiet`, and when that began.
pub async fn in_step(service: &Service, id: &str, quiet: Duration, limit: Duration) -> Instant {
    let visitor = service.visitor();
    let (start, mut since_when) = (now(), None);
    loop {
        let status = visitor.get(&format!("/v1/connections/{id}/status")).await;
        let rests = status.as_ref().is_ok_and(|it| it["in_step"] == true && it["parked"] == 0);
        since_when = if rests { since_when.or_else(|| Some(now())) } else { None };
        if let Some(began) = since_when.filter(|began| since(*began) >= quiet) {
            return began;
        }
        assert!(since(start) < limit, "not in step after {limit:?}: {status:?}");
        pause(Duration::from_millis(50)).await;
    }
}

fn break_everything(stage: &Stage) {
    let notices = DeliveryFaults { lose: 0.04, repeat: 0.04, reorder: 0.04, ..DeliveryFaults::default() };
    for outbox in [stage.e.outbox(), stage.relay.outbox()] {
        outbox.set(notices);
    }
    for faults in [stage.r.faults(), stage.e.faults()] {
        faults.chances(vec![
            (Aim::Any, Fault::ResetBefore, 0.005),
            (Aim::Any, Fault::ResetAfter, 0.01),
            (Aim::Any, Fault::Status { status: 503, retry_after: None }, 0.005),
            (Aim::Any, Fault::GarbageAfter, 0.005),
            (Aim::Write, Fault::BadGatewayAfter, 0.01),
        ]);
    }
}

/// What the kills met.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Kills that left products leased to the dead process.
    with_leases: u64,
    /// Kills that left a write of their own whose outcome was not written down.
    with_open_writes: u64,
    open_writes: BTreeSet<String>,
    postgres: u64,
    cuts: u64,
    pairs: u64,
    /// Starts that ended by themselves, because the database was away.
    gave_up: u64,
    ready: Vec<Duration>,
    recovered: Vec<Duration>,
}

struct Storm {
    dice: ChaCha12Rng,
    stage: Arc<Stage>,
    postgres: Postgres,
    recipe: Recipe,
    port: u16,
    tally: Tally,
}

impl Storm {
    /// A service that is ready. One that gives up because the database is away is started again, as an
    /// orchestrator does.
    async fn start(&mut self, port: u16) -> Service {
        loop {
            let mut service = self.recipe.start(port);
            if let Some(took) = service.ready().await {
                self.tally.ready.push(took);
                return service;
            }
            self.tally.gave_up += 1;
        }
    }

    fn moment(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.dice.random_range(from..to))
    }

    /// Lets the service work for a moment, kills it, and starts it again.
    async fn kill(&mut self, service: Service) -> Service {
        self.tally.kills += 1;
        let kill = self.tally.kills;
        let moment = self.moment(30, 1_500);
        pause(moment).await;
        if kill.is_multiple_of(15) {
            self.cut().await;
        }
        if kill % 20 == 10 {
            self.stage.r.expire_access_tokens();
        }
        if kill % 25 == 12 {
            return self.pair(service).await;
        }
        if kill.is_multiple_of(10) {
            return self.kill_both(service).await;
        }
        service.kill().await;
        self.look_at_the_dead().await;
        if kill % 8 == 4 {
            // Killed once more before it was ready.
            let service = self.recipe.start(self.port);
            let moment = self.moment(0, 60);
            pause(moment).await;
            service.kill().await;
        }
        self.start(self.port).await
    }

    /// What the killed process has left behind.
    async fn look_at_the_dead(&mut self) {
        let mut db = self.postgres.connect().await;
        let leases = "select count(*) from dirty where leased_until > now()";
        let leases: i64 = sqlx::query_scalar(leases).fetch_one(&mut db).await.unwrap();
        let open = "select entry_id::text from ledger where result is null";
        let open: Vec<String> = sqlx::query_scalar(open).fetch_all(&mut db).await.unwrap();
        let known = self.tally.open_writes.len();
        self.tally.open_writes.extend(open);
        self.tally.with_leases += u64::from(leases > 0);
        self.tally.with_open_writes += u64::from(self.tally.open_writes.len() > known);
    }

    /// The database dies too, before the service or after it.
    async fn kill_both(&mut self, service: Service) -> Service {
        self.tally.postgres += 1;
        let signal = if self.dice.random_bool(0.7) { Signal::KILL } else { Signal::QUIT };
        self.postgres.kill(signal);
        if self.dice.random_bool(0.5) {
            // The service lives through the outage, and is killed afterwards.
            let took = self.postgres.revive().await;
            self.tally.recovered.push(took);
            let moment = self.moment(0, 1_500);
            pause(moment).await;
            service.kill().await;
            return self.start(self.port).await;
        }
        service.kill().await;
        let (port, recipe) = (self.port, &self.recipe);
        // Started at once, while the database is still on its way.
        let early = recipe.start(port);
        let took = self.postgres.revive().await;
        self.tally.recovered.push(took);
        let mut early = early;
        match early.ready().await {
            Some(took) => {
                self.tally.ready.push(took);
                early
            }
            None => {
                self.tally.gave_up += 1;
                self.start(port).await
            }
        }
    }

    /// A platform is out of reach for a while.
    async fn cut(&mut self) {
        self.tally.cuts += 1;
        let road = if self.dice.random_bool(0.5) { self.stage.r_road() } else { self.stage.e_road() }.clone();
        road.cut();
        let moment = self.moment(1_000, 2_000);
        pause(moment).await;
        road.mend();
    }

    /// Two services on one database; either is killed, then the other.
    async fn pair(&mut self, service: Service) -> Service {
        self.tally.pairs += 1;
        let port = free_port(&mut self.dice);
        let second = self.start(port).await;
        let moment = self.moment(500, 2_500);
        pause(moment).await;
        if self.dice.random_bool(0.5) {
            service.kill().await;
            let first = self.start(self.port).await;
            second.kill().await;
            first
        } else {
            second.kill().await;
            service
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_under_load_it_loses_nothing() {
    let kills = number("CONCORD_KILLS").unwrap_or(100);
    let seed = number("CONCORD_STORM_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
    eprintln!("seed {seed}, {kills} kills");
    let start = now();
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let folder = Folder::new("process");
    let postgres = Postgres::start(&folder.0, &mut dice).await;
    let stage = open_stage(seed, &mut dice).await;
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    for outbox in [stage.e.outbox(), stage.relay.outbox()] {
        let accepted = accepted.clone();
        outbox.on_delivery(move |delivery| accepted.lock().unwrap().extend(acknowledged(delivery)));
    }
    let mut merchants = Merchants::new(seed ^ 0x5eed);
    for _ in 0..PRODUCTS {
        merchants.create_item(&stage);
    }
    let recipe = Recipe::new(&folder.0, &postgres, &stage);
    let port = free_port(&mut dice);
    let mut storm = Storm { dice, stage, postgres, recipe, port, tally: Tally::default() };
    let mut service = storm.start(port).await;
    let mut secrets = vec![url::Url::parse(&storm.postgres.url).unwrap().password().unwrap().to_owned()];
    // Tokens that are renewed on the way are not known here.
    secrets.push("Bearer ".to_owned());
    let id = connect(&service, &storm.stage, &mut secrets).await;
    in_step(&service, &id, Duration::ZERO, Duration::from_secs(60)).await;
    assert_eq!(storm.stage.e.products().len(), PRODUCTS, "seed {seed}");
    eprintln!("first look after {:?}", since(start));

    break_everything(&storm.stage);
    let stop = CancellationToken::new();
    let working = tokio::spawn(merchants.work(storm.stage.clone(), BETWEEN, stop.clone()));
    let (mut told, storm_began) = (0, now());
    while storm.tally.kills < kills {
        service = storm.kill(service).await;
        if storm.tally.kills >= told + 20 {
            told = storm.tally.kills;
            let waiting = storm.postgres.count("select count(*) from dirty").await;
            eprintln!("{told} kills after {:?}, {waiting} products wait", since(storm_began));
        }
    }
    let ended = now();
    stop.cancel();
    let merchants = working.await.unwrap();
    for faults in [storm.stage.r.faults(), storm.stage.e.faults()] {
        faults.heal();
    }
    for outbox in [storm.stage.e.outbox(), storm.stage.relay.outbox()] {
        // Retries fall due in minutes or hours: what they would tell, the sweep finds.
        outbox.set(DeliveryFaults::default());
        outbox.clear();
    }
    let quiet = in_step(&service, &id, QUIET, CONVERGED).await;
    let took = (quiet - ended).to_std().unwrap_or_default();

    let accepted: Vec<String> = accepted.lock().unwrap().iter().cloned().collect();
    let longest = storm
        .postgres
        .count("select coalesce(max(extract(epoch from handled_at - received_at)), 0)::bigint from inbox")
        .await;
    let tally = &storm.tally;
    let most = |spans: &[Duration]| spans.iter().max().copied().unwrap_or_default();
    let mean =
        |spans: &[Duration]| spans.iter().sum::<Duration>() / u32::try_from(spans.len().max(1)).unwrap();
    eprintln!(
        "{} kills in {:?} ({} with leases, {} with open writes), Postgres {} times (back in {:?} at most), {} cuts, {} pairs, \
         {} starts gave up; ready in {:?}, at most {:?}; {} acts on {} products; {} notices acknowledged, the last word \
         on one {longest} s later at most; in step {took:?} after the last kill",
        tally.kills,
        (ended - storm_began).to_std().unwrap_or_default(),
        tally.with_leases,
        tally.with_open_writes,
        tally.postgres,
        most(&tally.recovered),
        tally.cuts,
        tally.pairs,
        tally.gave_up,
        mean(&tally.ready),
        most(&tally.ready),
        merchants.acts,
        merchants.stock.len(),
        accepted.len(),
    );
    let mut verdict = Verdict::new(seed, &storm.postgres, &storm.stage);
    verdict.platforms(&merchants).await;
    verdict.tables().await;
    verdict.inbox(&accepted).await;
    verdict.log(&storm.recipe, &secrets);
    verdict.speak();
    service.kill().await;
    storm.postgres.stop().await;
    eprintln!("all of it took {:?}", since(start));
}
