//! `concord health`: asks the service on this machine how it is, for images that hold no other program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::say;

/// Longer than the service waits for its database, shorter than a probe's patience.
const PATIENCE: Duration = Duration::from_secs(7);
/// An answer of a probe is short.
const LONGEST: u64 = 64 * 1024;

/// Whom to ask what.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address of the HTTP server
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Only whether the process is alive, not whether it can work
    #[arg(long)]
    live: bool,
}

/// Prints the answer; 0 when it is well.
pub(super) async fn run(options: &Options) -> u8 {
    let path = if options.live { "/health/live" } else { "/health/ready" };
    let asked = tokio::time::timeout(PATIENCE, ask(reachable(options.listen), path));
    let answer = match asked.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            say(&format!("no answer at {}: {error}", options.listen));
            return 1;
        }
        Err(_) => {
            say(&format!("no answer at {} within {} s", options.listen, PATIENCE.as_secs()));
            return 1;
        }
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    say(body.trim());
    let status = head.split(' ').nth(1);
    u8::from(status != Some("200"))
}

/// A server that listens on every address is asked at this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_at_this_machines_own() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("127.0.0.1:9", "127.0.0.1:9"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
