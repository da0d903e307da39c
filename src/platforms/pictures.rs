//! Where R-Series keeps its pictures: one host, from which Concord reads and to which it points E-Series, and no
//! other. An address is taken from a record, so it is only followed where the installation says that pictures are.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use url::Url;

use super::transport::{HttpClient, Transport, TransportError};

/// Largest picture that E-Series takes, in bytes (e-series-api.md, section 6.2: 20 MB).
pub const LARGEST: usize = 20 * 1024 * 1024;

/// The host of the pictures.
#[derive(Debug)]
pub struct PictureHost {
    transport: Transport,
    /// E-Series reads from it by itself.
    public: AtomicBool,
}

/// Why a picture cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Its address is none, or not on the host of the pictures: nothing was asked.
    #[error("its address is not on the host of the shop's pictures")]
    ForeignHost,
    /// The host does not give it out.
    #[error("{0}")]
    Unreachable(String),
    /// More bytes than E-Series takes.
    #[error("it has more than 20 MB, which is the most that E-Series takes")]
    TooLarge,
}

impl PictureHost {
    /// Pictures are below `base`. E-Series reads from there by itself if that is `public`.
    #[must_use]
    pub fn new(http: HttpClient, base: Url, public: bool) -> Self {
        Self { transport: Transport::new(http, base), public: AtomicBool::new(public) }
    }

    /// The address if it is on this host.
    pub fn own(&self, address: &str) -> Result<Url, NoPicture> {
        self.transport.own_url(address).map_err(|_| NoPicture::ForeignHost)
    }

    /// Does E-Series read from here by itself?
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public.load(Ordering::Relaxed)
    }

    /// E-Series could not read what Concord could: from now on it is given the bytes.
    pub fn hide(&self) {
        self.public.store(false, Ordering::Relaxed);
    }

    /// Reads a picture.
    pub async fn fetch(&self, address: &Url) -> Result<Vec<u8>, NoPicture> {
        let answer =
            self.transport.fetch(address.clone(), LARGEST + 1).await.map_err(|error| match error {
                TransportError::ForeignHost(_) => NoPicture::ForeignHost,
                error => NoPicture::Unreachable(error.to_string()),
            })?;
        match answer.status {
            StatusCode::OK if answer.body.len() > LARGEST => Err(NoPicture::TooLarge),
            StatusCode::OK => Ok(answer.body),
            status => Err(NoPicture::Unreachable(format!("its host answers {}", status.as_u16()))),
        }
    }
}
