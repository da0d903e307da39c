//! The way to a served sandbox, as lines that can be cut: a server that is closed, or a platform that is out of
//! reach for a while.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The way to one server. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Road {
    /// Cancelled: everything on the road breaks, and whoever comes is turned away.
    open: Arc<Mutex<CancellationToken>>,
}

impl Road {
    /// Breaks all connections. Until [`Road::mend`], new ones are reset before they are read from.
    pub fn cut(&self) {
        self.token().cancel();
    }

    /// Lets connections in again. Without a cut before it, nothing changes.
    pub fn mend(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_cancelled() {
            *open = CancellationToken::new();
        }
    }

    fn token(&self) -> CancellationToken {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets connections in, each of which can be cut. Connections are tasks of their own that nobody holds, so ending
/// the server's task alone would leave those that hang behind.
pub(super) struct Door {
    listener: TcpListener,
    road: Road,
}

impl Door {
    pub(super) fn new(listener: TcpListener, road: Road) -> Self {
        Self { listener, road }
    }
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let open = self.road.token();
            if open.is_cancelled() {
                // A reset instead of an orderly end; where that cannot be had, the end will do.
                let _ = stream.set_zero_linger();
                continue;
            }
            return (Line { stream, cut: Box::pin(open.cancelled_owned()) }, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks when it is cut.
pub(super) struct Line {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Line {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a caller gets who sends a byte: the byte back, or nothing.
    async fn echo(address: SocketAddr) -> Option<u8> {
        let mut caller = TcpStream::connect(address).await.ok()?;
        caller.write_u8(7).await.ok()?;
        caller.read_u8().await.ok()
    }

    #[tokio::test]
    async fn a_cut_road_breaks_what_is_on_it_and_turns_callers_away_until_it_is_mended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let road = Road::default();
        let mut door = Door::new(listener, road.clone());
        let serve = async move {
            loop {
                let (mut line, _) = door.accept().await;
                tokio::spawn(async move {
                    while let Ok(byte) = line.read_u8().await {
                        line.write_u8(byte).await.unwrap();
                    }
                });
            }
        };
        let serving = tokio::spawn(serve);
        assert_eq!(echo(address).await, Some(7));
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_u8(1).await.unwrap();
        assert_eq!(caller.read_u8().await.unwrap(), 1);
        road.cut();
        assert!(caller.read_u8().await.is_err(), "the line is still there");
        assert_eq!(echo(address).await, None);
        road.mend();
        assert_eq!(echo(address).await, Some(7));
        serving.abort();
    }
}
