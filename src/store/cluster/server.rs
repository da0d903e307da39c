//! The running server: found, started, watched and stopped.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::SecretString;
use sqlx::postgres::PgConnection;
use tokio::process::Child;

use super::error::ClusterError;
use super::place::{Place, private_file};
use super::{Access, Patience};
use crate::clock::{self, SharedClock};
use crate::ids::SharedIds;

/// Below the range that the kernel hands out to outgoing connections, so that none is in the way.
const PORTS: std::ops::RangeInclusive<u16> = 20_000..=32_767;
/// Recovering from a crash may take its time.
const START_LIMIT: Duration = Duration::from_mins(10);
/// How long a server left behind may take to answer or to finish stopping.
const ADOPT_LIMIT: Duration = Duration::from_mins(1);
/// How long a starting server may take to write the first line of its file.
const EMPTY_LIMIT: Duration = Duration::from_secs(2);
/// How long the processes of a killed postmaster may hold on to its memory.
const ORPHANS_LIMIT: Duration = Duration::from_secs(30);
/// Within the 25 s that an orchestrator gives Concord.
const FAST_LIMIT: Duration = Duration::from_secs(15);
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(8);
/// For one answer of a server that is ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const PORT_TRIES: u16 = 200;
const TAIL_LINES: usize = 20;

/// A living postmaster. Dropped without [`Server::stop`], it is told to stop and not waited for.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    /// None for a server that an earlier process left behind.
    child: Option<Child>,
    data: PathBuf,
    stopped: bool,
}

impl Server {
    /// Takes over the server that a killed Concord left behind, if one lives in this place. One
    /// that is stopping is waited for.
    pub(super) async fn adopt(
        place: &Place,
        password: &SecretString,
        clock: &SharedClock,
    ) -> Result<Option<(Self, Access)>, ClusterError> {
        let data = place.data();
        let mut patience = Patience::new(clock, ADOPT_LIMIT);
        let mut empty_patience = Patience::new(clock, EMPTY_LIMIT);
        let mut recovery_patience = Patience::new(clock, START_LIMIT);
        loop {
            let Some(file) = PidFile::read(&data)? else {
                let path = data.join("postmaster.pid");
                if path.exists() {
                    // Without a word in it: a server begins to start, or a power failure took the
                    // content; Postgres does not start over such a file.
                    if empty_patience.pause().await {
                        continue;
                    }
                    fs::remove_file(&path).map_err(ClusterError::io("removing", &path))?;
                }
                return Ok(None);
            };
            let seen = look_at(file.pid, &data);
            match seen {
                Seen::Nobody => return Ok(None),
                Seen::Another => {
                    disown(&data)?;
                    return Ok(None);
                }
                Seen::Postmaster | Seen::Unknown => {}
            }
            let mut refusal = None;
            if let (Stage::Ready, Some(port)) = (file.stage, file.port) {
                let access = Access { port, password: password.clone() };
                match greet(&access, &data, clock).await {
                    Ok(()) => {
                        let server = Self { pid: file.pid, child: None, data, stopped: false };
                        return Ok(Some((server, access)));
                    }
                    // Postgres itself knows best whether a server lives there.
                    Err(_) if seen == Seen::Unknown => return Ok(None),
                    Err(error) => refusal = Some(error),
                }
            }
            let wrong_password = refusal.as_ref().is_some_and(refuses_password);
            let patience = if file.stage == Stage::Starting { &mut recovery_patience } else { &mut patience };
            if wrong_password || !patience.pause().await {
                return Err(match refusal {
                    Some(source) => ClusterError::Database {
                        doing: "reaching the server that an earlier run left behind",
                        log: place.log(),
                        source,
                    },
                    None => ClusterError::Stop { pid: file.pid.as_raw_nonzero().get() },
                });
            }
        }
    }

    /// Starts a server in a place where none lives.
    pub(super) async fn start(
        place: &Place,
        password: &SecretString,
        durable: bool,
        clock: &SharedClock,
        ids: &SharedIds,
    ) -> Result<(Self, Access), ClusterError> {
        let mut ports_left = PORT_TRIES;
        let mut orphans = Patience::slow(clock, ORPHANS_LIMIT);
        let mut ports = Ports::new(ids);
        loop {
            let access = Access { port: ports.free()?, password: password.clone() };
            let (mut server, log_start) = Self::spawn(place, access.port, durable)?;
            let Err(reason) = server.ready(&access, clock).await else { return Ok((server, access)) };
            let tail = log_tail(&place.log(), log_start);
            // Somebody was faster between our probe and the server's own try.
            if tail.contains("could not create any TCP/IP sockets") && ports_left > 0 {
                ports_left -= 1;
                continue;
            }
            // The postmaster was killed, and its last children are still on their way out.
            if tail.contains("pre-existing shared memory block") && orphans.pause().await {
                continue;
            }
            return Err(ClusterError::Start { reason, log: place.log(), tail });
        }
    }

    /// Asks it to stop in order, then, if it will not, at once; waits for its end.
    pub(super) async fn stop(mut self, clock: &SharedClock) -> Result<(), ClusterError> {
        for (signal, limit) in [(Signal::INT, FAST_LIMIT), (Signal::QUIT, IMMEDIATE_LIMIT)] {
            self.signal(signal);
            let mut patience = Patience::new(clock, limit);
            loop {
                if self.is_gone() {
                    self.stopped = true;
                    return Ok(());
                }
                if !patience.pause().await {
                    tracing::warn!(pid = self.pid.as_raw_nonzero(), "Postgres has not stopped in time");
                    break;
                }
            }
        }
        Err(ClusterError::Stop { pid: self.pid.as_raw_nonzero().get() })
    }

    fn spawn(place: &Place, port: u16, durable: bool) -> Result<(Self, u64), ClusterError> {
        let data = place.data();
        let log = place.open_log()?;
        let log_start = log.metadata().map_or(0, |metadata| metadata.len());
        let errors = log.try_clone().map_err(ClusterError::io("opening", &place.log()))?;
        let mut socket = OsString::from("unix_socket_directories=");
        socket.push(place.fresh_socket_folder()?);
        let program = place.binaries.postgres();
        let mut command = place.account.command(&program);
        command.arg("-D").arg(&data).arg("-c").arg(socket);
        command.arg("-c").arg(format!("port={port}"));
        for setting in settings(durable) {
            command.arg("-c").arg(setting);
        }
        command.stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        let child =
            tokio::process::Command::from(command).spawn().map_err(ClusterError::io("starting", &program))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid =
            pid.ok_or_else(|| ClusterError::io("starting", &program)(ErrorKind::UnexpectedEof.into()))?;
        Ok((Self { pid, child: Some(child), data, stopped: false }, log_start))
    }

    /// Waits until the server answers; else says what became of it.
    async fn ready(&mut self, access: &Access, clock: &SharedClock) -> Result<(), String> {
        let mut patience = Patience::new(clock, START_LIMIT);
        let mut waiting_for = "it was still starting".to_owned();
        loop {
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                self.stopped = true;
                return Err(format!("it ended with {status}"));
            }
            let file = PidFile::read(&self.data).ok().flatten().filter(|file| file.pid == self.pid);
            if file.is_some_and(|file| file.stage == Stage::Ready) {
                match greet(access, &self.data, clock).await {
                    Ok(()) => return Ok(()),
                    Err(error) if refuses_password(&error) => return Err(error.to_string()),
                    Err(error) => waiting_for = error.to_string(),
                }
            }
            if !patience.pause().await {
                return Err(format!("after {} minutes {waiting_for}", START_LIMIT.as_secs() / 60));
            }
        }
    }

    fn is_gone(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
            None => matches!(look_at(self.pid, &self.data), Seen::Nobody | Seen::Another),
        }
    }

    /// Never signals a stranger that has got the number of a server long gone.
    fn signal(&mut self, signal: Signal) {
        if !self.is_gone() && kill_process(self.pid, signal).is_err() {
            tracing::warn!(pid = self.pid.as_raw_nonzero(), "Postgres cannot be told to stop");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.stopped {
            self.signal(Signal::INT);
        }
    }
}

fn settings(durable: bool) -> impl Iterator<Item = String> {
    let switch = if durable { "on" } else { "off" };
    let durability = ["fsync", "full_page_writes"];
    let fixed = [
        // Also in the fast mode: without fsync it costs next to nothing, and a killed server
        // loses no commit.
        "synchronous_commit=on",
        "listen_addresses=127.0.0.1",
        "unix_socket_permissions=0700",
        "cluster_name=concord",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_destination=stderr",
        "logging_collector=off",
        "log_line_prefix=%m [%p] ",
        // Parallel queries need shared memory files, which containers keep at 64 MB and a
        // logout of the user may remove; short queries gain nothing from them.
        "max_parallel_workers_per_gather=0",
        "max_parallel_maintenance_workers=0",
    ];
    let durability = durability.into_iter().map(move |name| format!("{name}={switch}"));
    // What is thrown away in a minute needs no cleaning.
    let cleaning = (!durable).then(|| "autovacuum=off".to_owned());
    durability.chain(cleaning).chain(fixed.map(str::to_owned))
}

/// Whether the living server was started with these durable settings.
pub(super) async fn is_durable(access: &Access) -> Result<bool, sqlx::Error> {
    let mut connection = access.connect("postgres").await?;
    sqlx::query_scalar("select current_setting('fsync')::bool and current_setting('full_page_writes')::bool")
        .fetch_one(&mut connection)
        .await
}

/// How to connect to the server that somebody runs on this folder and that is ready; none when there is none.
pub(super) async fn visit(
    data: &Path,
    password: &SecretString,
    clock: &SharedClock,
) -> Result<Option<Access>, ClusterError> {
    let Some(PidFile { pid, port: Some(port), stage: Stage::Ready }) = PidFile::read(data)? else {
        return Ok(None);
    };
    if !matches!(look_at(pid, data), Seen::Postmaster | Seen::Unknown) {
        return Ok(None);
    }
    let access = Access { port, password: password.clone() };
    Ok(greet(&access, data, clock).await.is_ok().then_some(access))
}

/// Proves that the server on this port is the one of this cluster, with our password.
async fn greet(access: &Access, data: &Path, clock: &SharedClock) -> Result<(), sqlx::Error> {
    let ask = async {
        let mut connection: PgConnection = access.connect("postgres").await?;
        let folder: String =
            sqlx::query_scalar("select current_setting('data_directory')").fetch_one(&mut connection).await?;
        if Path::new(&folder) == data {
            Ok(())
        } else {
            Err(sqlx::Error::Protocol(format!("the server on port {} serves {folder}", access.port)))
        }
    };
    tokio::select! {
        answer = ask => answer,
        () = clock::sleep(clock, ANSWER_LIMIT) => {
            Err(sqlx::Error::Protocol(format!("the server on port {} does not answer", access.port)))
        }
    }
}

/// SQLSTATE class 28: waiting does not help.
fn refuses_password(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| code.starts_with("28"))
}

/// What `postmaster.pid` tells.
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    pid: Pid,
    port: Option<u16>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Stopping,
}

impl PidFile {
    fn read(data: &Path) -> Result<Option<Self>, ClusterError> {
        let path = data.join("postmaster.pid");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClusterError::io("reading", &path)(error)),
        }
    }

    /// Lines: process, data directory, start time, port, socket folder, address, memory, stage.
    /// The server writes it line by line while it starts.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        // A server running alone (`postgres --single`) writes its number negative.
        let pid = lines.next()?.parse::<i32>().ok()?.checked_abs().and_then(Pid::from_raw)?;
        let port = lines.nth(2).and_then(|line| line.parse().ok());
        let stage = match lines.nth(3) {
            Some("ready") => Stage::Ready,
            Some("stopping") => Stage::Stopping,
            _ => Stage::Starting,
        };
        Some(Self { pid, port, stage })
    }
}

/// Who has the process number in `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Postmaster,
    Nobody,
    /// The number was given out anew, or its process is dead and not yet collected.
    Another,
    /// The system does not tell.
    Unknown,
}

fn look_at(pid: Pid, data: &Path) -> Seen {
    if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        return Seen::Nobody;
    }
    let number = pid.as_raw_nonzero();
    let proc = Path::new("/proc");
    if proc.join("self/cmdline").exists() {
        // Empty for a process that is dead and waits for its parent.
        let command_line = match fs::read(proc.join(number.to_string()).join("cmdline")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Seen::Nobody,
            Err(_) => return Seen::Unknown,
        };
        let arguments: Vec<&[u8]> = command_line.split(|byte| *byte == 0).collect();
        let ours = arguments.windows(2).any(|pair| *pair == [b"-D".as_slice(), data.as_os_str().as_bytes()]);
        return if ours { Seen::Postmaster } else { Seen::Another };
    }
    let ps = Command::new("ps").args(["-ww", "-o", "command=", "-p"]).arg(number.to_string()).output();
    match ps {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let ours = text.contains(&format!("-D {}", data.display()));
            if ours { Seen::Postmaster } else { Seen::Another }
        }
        _ => Seen::Unknown,
    }
}

/// Makes Postgres see that the server named in `postmaster.pid` is no more although its number is
/// in use: Postgres would refuse to start.
///
/// The file is not removed, because it also names the shared memory by which Postgres tells
/// whether processes of the dead server still write. Its own parent, us, Postgres does not take
/// for a server.
fn disown(data: &Path) -> Result<(), ClusterError> {
    let path = data.join("postmaster.pid");
    let text = fs::read_to_string(&path).map_err(ClusterError::io("reading", &path))?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    private_file()
        .write(true)
        .truncate(true)
        .open(&path)
        .and_then(|mut file| write!(file, "{}\n{rest}", std::process::id()))
        .map_err(ClusterError::io("writing", &path))
}

/// Ports to try, from a random one upwards.
struct Ports {
    next: u16,
    left: u16,
}

impl Ports {
    fn new(ids: &SharedIds) -> Self {
        let mut bytes = [0_u8; 2];
        ids.fill(&mut bytes);
        let count = PORTS.end() - PORTS.start() + 1;
        Self { next: PORTS.start() + u16::from_ne_bytes(bytes) % count, left: PORT_TRIES * 2 }
    }

    /// The next one nobody listens on.
    fn free(&mut self) -> Result<u16, ClusterError> {
        while self.left > 0 {
            self.left -= 1;
            let port = self.next;
            self.next = if port == *PORTS.end() { *PORTS.start() } else { port + 1 };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        Err(ClusterError::NoPort { first: *PORTS.start(), last: *PORTS.end() })
    }
}

/// The last lines the server wrote since `start`.
fn log_tail(log: &Path, start: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(start..).unwrap_or(&bytes)).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_of_a_server_is_read_from_its_file_also_while_it_is_being_written() {
        let pid = Pid::from_raw(41).expect("a pid");
        let whole = "41\n/d\n1700000000\n20001\n/s\n127.0.0.1\n  1 2\nready   \n";
        let file = |port, stage| Some(PidFile { pid, port, stage });
        for (text, expected) in [
            (whole.to_owned(), file(Some(20001), Stage::Ready)),
            (whole.replace("ready   ", "stopping"), file(Some(20001), Stage::Stopping)),
            ("41\n/d\n".to_owned(), file(None, Stage::Starting)),
            ("-41\n/d\n".to_owned(), file(None, Stage::Starting)),
            (String::new(), None),
            ("0\n".to_owned(), None),
        ] {
            assert_eq!(PidFile::parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_process_that_is_not_the_postmaster_is_not_taken_for_it() {
        let data = Path::new("/nowhere/data");
        let me = Pid::from_raw(i32::try_from(std::process::id()).expect("small")).expect("a pid");
        assert_eq!(look_at(me, data), Seen::Another);
    }

    #[test]
    fn a_stale_process_number_is_replaced_and_the_rest_of_the_file_stays() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join("postmaster.pid");
        fs::write(&path, "1\n/d\n17\n").expect("written");
        disown(data.path()).expect("disowned");
        let expected = format!("{}\n/d\n17\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).expect("there"), expected);
    }
}
