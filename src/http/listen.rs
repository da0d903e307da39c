//! The accept loop: what a stranger can make this process hold, in connections, in time and in bytes.
//!
//! # Time
//!
//! | What | Limit | Then |
//! |---|---|---|
//! | The first byte, and the whole head of a request (also the wait for the next one on HTTP/1.1) | [`Limits::head`], 10 s | closed |
//! | The body of a request | [`Limits::body`], 20 s | 408, closed |
//! | The whole request | 30 s (`http::app`) | 503 |
//! | A connection with no request under way (HTTP/2, or an answer that nobody takes) | [`Limits::idle`], 60 s | closed |
//! | Bytes of ours that the peer does not take | [`Limits::stall`], 30 s | reset |
//!
//! # Connections
//!
//! [`Limits::connections`] are served. Beyond them [`Limits::reserve`] more are let in only to be answered:
//! health, metrics, and 503 for everything else, after which they are closed, so a probe reaches a service
//! whose places are all taken. Beyond those nobody is accepted: newcomers wait in the system's backlog until a
//! place is free, which the time limits see to.
//!
//! # Memory
//!
//! At the defaults, if everybody is as greedy as can be at the same time:
//!
//! * 4,160 connections on HTTP/1.1, each with a read and a write buffer of at most 16 KiB: 130 MiB. One on
//!   HTTP/2 can hold more: a receive window of 64 KiB, and 16 KiB for each of its 32 streams whose answer is not
//!   taken, 576 KiB in all; if every connection did that at once, 2.3 GiB, until [`Limits::stall`] ends it.
//!   Where that is too much, lower [`Limits::connections`].
//! * [`Limits::requests`] (512) requests worked on, with a body of at most 256 KiB: 128 MiB. Those of the REST
//!   interface may bring 1 MiB, 512 MiB in all, but only with a token: a body is not read before the token is
//!   seen.
//! * The inbox writer's channel: 2,048 deliveries of under 1 KiB, 2 MiB. Each belongs to one of the requests.
//!
//! No queue is without an end: whoever does not fit is told 503 with `Retry-After` and comes again. These are
//! sums of the limits, not measurements; what parsing adds to a body is not in them.

mod guard;
mod line;
mod timer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::guard::{Activity, Guard};
use self::line::Line;
use self::timer::ClockTimer;
use super::arrival::Peer;
use crate::clock::{SharedClock, sleep};

/// Largest head of a request, in bytes: request line and all headers.
const LARGEST_HEAD: usize = 16 * 1024;
/// Most headers of a request.
const MOST_HEADERS: usize = 64;
/// Most requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 32;
/// Receive window of an HTTP/2 connection and of each of its streams, in bytes.
const WINDOW: u32 = 64 * 1024;
/// How long a connection that was asked to end may take to.
const LINGER: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system had no room for another connection.
const NO_ROOM: Duration = Duration::from_secs(1);

/// How much is served at once, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are served.
    pub connections: usize,
    /// Connections beyond those, for health and refusals only.
    pub reserve: usize,
    /// Requests worked on at the same time, over all connections; health and metrics are not counted.
    pub requests: usize,
    /// For the head of a request.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For a connection on which no request is under way.
    pub idle: Duration,
    /// For a peer that does not take what is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            reserve: 64,
            requests: 512,
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }
}

/// What all connections share.
struct Shared {
    builder: Builder<TokioExecutor>,
    app: Router,
    limits: Limits,
    clock: SharedClock,
    requests: Arc<Semaphore>,
    stop: CancellationToken,
}

/// A place for one connection.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// One of the reserve: only health is served.
    reserve: bool,
}

/// The places that there are.
struct Places {
    usual: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

impl Places {
    fn usual(&self) -> Option<Place> {
        self.usual.clone().try_acquire_owned().ok().map(|permit| Place { _permit: permit, reserve: false })
    }

    /// A place, as soon as there is one; none when there never will be.
    async fn one(&self) -> Option<Place> {
        if let Some(place) = self.usual() {
            return Some(place);
        }
        tokio::select! {
            biased;
            permit = self.usual.clone().acquire_owned() => Some(Place { _permit: permit.ok()?, reserve: false }),
            permit = self.reserve.clone().acquire_owned() => Some(Place { _permit: permit.ok()?, reserve: true }),
        }
    }
}

/// Serves until `stop`; returns when every request that was under way has been answered. Dropped, it breaks off
/// what is left.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    clock: SharedClock,
    stop: CancellationToken,
) {
    let places = Places {
        usual: Arc::new(Semaphore::new(limits.connections)),
        reserve: Arc::new(Semaphore::new(limits.reserve)),
    };
    let shared = Arc::new(Shared {
        builder: builder(&limits, &clock),
        app,
        limits,
        clock: clock.clone(),
        requests: Arc::new(Semaphore::new(limits.requests)),
        stop: stop.clone(),
    });
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = places.one().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Some(place) = place else { break };
        match accepted {
            Ok((stream, peer)) => {
                // A usual place may have become free while a reserved one waited for somebody to come.
                let place = if place.reserve { places.usual().unwrap_or(place) } else { place };
                connections.spawn(connection(stream, peer, place, shared.clone()));
            }
            Err(error) if broke_off(&error) => {}
            Err(error) => {
                warn!(%error, "no connection can be accepted");
                tokio::select! {
                    () = sleep(&clock, NO_ROOM) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// An error of the one connection that was to be accepted, not of the listener.
fn broke_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn builder(limits: &Limits, clock: &SharedClock) -> Builder<TokioExecutor> {
    let timer = ClockTimer::new(clock.clone());
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(timer.clone())
        .header_read_timeout(limits.head)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(timer)
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(LARGEST_HEAD)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX));
    builder
}

async fn connection(stream: TcpStream, peer: SocketAddr, place: Place, shared: Arc<Shared>) {
    let Shared { limits, clock, stop, .. } = &*shared;
    // Small answers must not wait for one another; without it they are late, not wrong.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::new(clock.now()));
    let guard = Guard {
        app: shared.app.clone(),
        requests: shared.requests.clone(),
        activity: activity.clone(),
        clock: clock.clone(),
        body: limits.body,
        reserve: place.reserve,
        peer: Peer(peer),
    };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let guard = guard.clone();
        async move { Ok::<_, Infallible>(guard.answer(request).await) }
    });
    let line = TokioIo::new(Line::new(stream, clock.clone(), limits.stall));
    let mut served = std::pin::pin!(shared.builder.serve_connection(line, service));
    let idle = activity.idle(clock, limits.head, limits.idle);
    tokio::select! {
        ended = served.as_mut() => {
            if let Err(error) = ended {
                debug!(error, "a connection broke");
            }
            return;
        }
        () = stop.cancelled() => {}
        () = idle => {}
    }
    // Idle, this closes it at once; else when what is under way has been answered.
    served.as_mut().graceful_shutdown();
    let patience = async {
        activity.idle(clock, limits.head, limits.idle).await;
        sleep(clock, LINGER).await;
    };
    tokio::select! {
        _ = served => {}
        () = patience => {}
    }
}
