//! How often one may ask: a budget a minute for each key and each address, kept in memory.
//!
//! A budget fills up evenly and holds one minute's worth, so somebody who was quiet may ask for all of it at once.
//! The admin token has no budget of its own: it is the way in when everything else is stuck.
//!
//! The doors for notices are limited by what is *refused* there. An address from which only genuine notices come is
//! never turned away, however many they are: one platform tells of all merchants from few addresses. Whoever sends
//! forgeries has to wait, and a genuine notice that is turned away with them is told to come again, which both
//! platforms do; what it tells of is found by the sweep in any case.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Desk;
use super::arrival::Arrival;
use super::problem::Problem;
use crate::clock::Instant;
use crate::ids::KeyId;

/// Most keys or addresses whose budgets are kept. Beyond them newcomers share one.
const MOST: usize = 20_000;
/// One minute in microseconds.
const MINUTE: i64 = 60_000_000;

/// How often one may ask, each a number a minute; 0 is without a limit.
#[derive(Debug, Clone)]
pub struct Rates {
    /// With one key.
    pub per_key: u32,
    /// From one address, except for notices, health and metrics.
    pub per_address: u32,
    /// Notices from one address that are not genuine.
    pub refused_notices: u32,
    /// Proxies whose word on where a request comes from is taken.
    pub proxies: Vec<Network>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { per_key: 6_000, per_address: 12_000, refused_notices: 600, proxies: Vec::new() }
    }
}

/// A network, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no network: write one like 10.0.0.0/8, or an address");
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let (ours, theirs, length) = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let shift: u32 = length - self.bits;
        ours.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }
}

/// Budgets of one kind. Of each only one number is kept: the time at which it would be full again.
#[derive(Debug)]
struct Budgets<K> {
    per_minute: u32,
    full_at: Mutex<(HashMap<K, i64>, i64)>,
}

impl<K: Eq + Hash> Budgets<K> {
    fn new(per_minute: u32) -> Self {
        Self { per_minute, full_at: Mutex::default() }
    }

    /// Takes `cost` from the budget, or says how long to wait for it.
    fn take(&self, who: K, cost: i64, now: Instant) -> Result<(), Duration> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let now = now.timestamp_micros();
        let each = MINUTE / i64::from(self.per_minute);
        let mut guard = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, others) = &mut *guard;
        if known.len() >= MOST && !known.contains_key(&who) {
            known.retain(|_, full_at| *full_at > now);
        }
        let full_at = if known.len() >= MOST && !known.contains_key(&who) {
            others
        } else {
            known.entry(who).or_insert(now)
        };
        let then = (*full_at).max(now).saturating_add(each);
        let wait = then.saturating_sub(now).saturating_sub(MINUTE);
        if wait > 0 {
            return Err(Duration::from_micros(wait.unsigned_abs()));
        }
        if cost > 0 {
            *full_at = then;
        }
        Ok(())
    }
}

/// All budgets.
#[derive(Debug)]
pub struct Limiter {
    keys: Budgets<KeyId>,
    addresses: Budgets<IpAddr>,
    refused: Budgets<IpAddr>,
    proxies: Vec<Network>,
}

impl Limiter {
    /// Full budgets.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            keys: Budgets::new(rates.per_key),
            addresses: Budgets::new(rates.per_address),
            refused: Budgets::new(rates.refused_notices),
            proxies: rates.proxies,
        }
    }

    pub(super) fn key(&self, key: KeyId, now: Instant) -> Result<(), Duration> {
        self.keys.take(key, 1, now)
    }

    pub(super) fn address(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        self.addresses.take(household(address), 1, now)
    }

    /// Where a request comes from. A proxy of ours adds the address it was asked from at the end of
    /// `X-Forwarded-For`; what stands before that was written by whoever asked.
    pub(super) fn address_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.proxies.iter().any(|proxy| proxy.holds(*address));
        let mut address = peer.to_canonical();
        let told = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let told: Vec<&str> = told.flat_map(|value| value.split(',')).collect();
        for text in told.into_iter().rev() {
            if !trusted(&address) {
                break;
            }
            match text.trim().parse::<IpAddr>() {
                Ok(before) => address = before.to_canonical(),
                Err(_) => break,
            }
        }
        address
    }
}

/// Whoever has one address of an IPv6 network usually has all of its /64.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

/// Refuses whoever has used up a budget: of a `key`, of an `address`, or of `notices` that were not genuine.
pub(super) fn too_often(what: &'static str, wait: Duration) -> Problem {
    metrics::counter!("concord_limited_total", "what" => what).increment(1);
    let who = match what {
        "key" => "this key",
        "notices" => "this address, with notices that were not genuine,",
        _ => "this address",
    };
    Problem::too_many(who, wait)
}

/// At the doors: turns an address away from which too much came that was not genuine.
pub(super) async fn at_the_doors(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Arrival>().and_then(|arrival| arrival.address).map(household);
    let Some(address) = address else { return next.run(request).await };
    if let Err(wait) = desk.limiter.refused.take(address, 0, desk.clock.now()) {
        return too_often("notices", wait).into_response();
    }
    let response = next.run(request).await;
    if response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS {
        // What is used up shows at the next one.
        let _ = desk.limiter.refused.take(address, 1, desk.clock.now());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    fn at(millis: u64) -> Instant {
        after(Instant::UNIX_EPOCH, Duration::from_millis(millis))
    }

    #[test]
    fn a_budget_holds_a_minutes_worth_and_fills_up_evenly() {
        let budgets = Budgets::new(60);
        for _ in 0..60 {
            assert_eq!(budgets.take(1, 1, at(0)), Ok(()));
        }
        assert_eq!(budgets.take(1, 1, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(
            budgets.take(1, 0, at(0)),
            Err(Duration::from_secs(1)),
            "looking costs nothing and tells the same"
        );
        assert_eq!(budgets.take(2, 1, at(0)), Ok(()), "everybody has their own");
        assert_eq!(budgets.take(1, 1, at(999)), Err(Duration::from_millis(1)));
        assert_eq!(budgets.take(1, 1, at(1_000)), Ok(()));
        assert_eq!(budgets.take(1, 1, at(1_000)), Err(Duration::from_secs(1)), "refusals cost nothing");
        for _ in 0..60 {
            assert_eq!(budgets.take(1, 1, at(600_000)), Ok(()), "no more than a minute's worth is saved up");
        }
        assert!(budgets.take(1, 1, at(600_000)).is_err());
        let without = Budgets::new(0);
        assert!((0..100_000).all(|_| without.take(1, 1, at(0)).is_ok()));
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let budgets = Budgets::new(60);
        for who in 0..30_000 {
            let _ = budgets.take(who, 1, at(0));
        }
        assert_eq!(budgets.full_at.lock().unwrap().0.len(), MOST);
        assert_eq!(budgets.take(1, 1, at(0)), Ok(()), "who is known keeps what is left");
        assert!(budgets.take(40_000, 1, at(0)).is_err(), "newcomers share one budget");
        assert_eq!(budgets.take(40_000, 1, at(120_000)), Ok(()));
        assert_eq!(budgets.full_at.lock().unwrap().0.len(), 1, "full budgets need no memory");
    }

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let rates = Rates {
            proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
            ..Rates::default()
        };
        let limiter = Limiter::new(rates);
        let from = |peer: &str, told: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in told {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            limiter.address_of(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(from("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "a stranger's word");
        assert_eq!(from("10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(from("10.1.2.3", &["203.0.113.9, 198.51.100.7", "10.9.9.9"]), "198.51.100.7");
        assert_eq!(from("10.1.2.3", &["nonsense"]), "10.1.2.3");
        assert_eq!(from("10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(from("::ffff:10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().holds("9.9.9.9".parse().unwrap()));
        assert_eq!(
            household("2001:db8:1:2:3:4:5:6".parse().unwrap()),
            "2001:db8:1:2::".parse::<IpAddr>().unwrap()
        );
    }
}
