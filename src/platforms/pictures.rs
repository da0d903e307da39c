//! Where the platforms keep their pictures: of R-Series one host, from which Concord reads and to which it points
//! E-Series; of E-Series some, from which Concord reads what exists there alone before it goes. An address is taken from a
//! record, so it is only followed where the installation says that pictures are.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use url::Url;

use super::transport::{HttpClient, Transport, TransportError};

/// Largest picture that E-Series takes, in bytes (e-series-api.md, section 6.2: 20 MB).
pub const LARGEST: usize = 20 * 1024 * 1024;

/// Enough of a picture to tell its size: the header, behind what cameras and editors write before it.
const BEGINNING: usize = 256 * 1024;

/// The host of the pictures.
#[derive(Debug)]
pub struct PictureHost {
    transport: Transport,
    /// E-Series reads from it by itself.
    public: AtomicBool,
    /// What E-Series is told of comes to be there.
    prompt: AtomicBool,
}

/// Why a picture cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Its address is none, or not on the host of the pictures: nothing was asked.
    #[error("its address is on no host of which the installation says that pictures are there")]
    ForeignHost,
    /// The host does not have it.
    #[error("its host answers {0}")]
    Missing(u16),
    /// The host does not give it out now.
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
        let transport = Transport::new(http, base);
        Self { transport, public: AtomicBool::new(public), prompt: AtomicBool::new(true) }
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

    /// Is E-Series trusted to read later what it is told of now?
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        self.is_public() && self.prompt.load(Ordering::Relaxed)
    }

    /// E-Series was told of a picture that Concord could read, and did not come to have it: from now on an upload is
    /// waited for.
    pub fn not_prompt(&self) {
        self.prompt.store(false, Ordering::Relaxed);
    }

    /// Width and height of a picture in pixels, from its first bytes; none if those cannot be had or do not tell.
    pub async fn size(&self, address: &Url) -> Option<(u32, u32)> {
        let answer = self.transport.fetch(address.clone(), BEGINNING).await.ok()?;
        let size = imagesize::blob_size(&answer.body).ok().filter(|_| answer.status == StatusCode::OK)?;
        let pixels = |count: usize| u32::try_from(count).ok().filter(|count| *count > 0);
        Some((pixels(size.width)?, pixels(size.height)?))
    }

    /// Reads a picture.
    pub async fn fetch(&self, address: &Url) -> Result<Vec<u8>, NoPicture> {
        read(&self.transport, address).await
    }
}

/// The hosts of the pictures that a store shows.
#[derive(Debug, Clone)]
pub struct StorePictures {
    hosts: Vec<Transport>,
}

impl StorePictures {
    /// Pictures are below these addresses, and nowhere else.
    #[must_use]
    pub fn new(http: &HttpClient, bases: &[Url]) -> Self {
        let hosts = bases.iter().map(|base| Transport::new(http.clone(), base.clone()));
        Self { hosts: hosts.collect() }
    }

    /// Reads a picture from one of them.
    pub async fn fetch(&self, address: &str) -> Result<Vec<u8>, NoPicture> {
        let found = self.hosts.iter().find_map(|host| Some((host, host.own_url(address).ok()?)));
        let (host, address) = found.ok_or(NoPicture::ForeignHost)?;
        read(host, &address).await
    }
}

async fn read(host: &Transport, address: &Url) -> Result<Vec<u8>, NoPicture> {
    let answer = host.fetch(address.clone(), LARGEST + 1).await.map_err(|error| match error {
        TransportError::ForeignHost(_) => NoPicture::ForeignHost,
        error => NoPicture::Unreachable(error.to_string()),
    })?;
    match answer.status {
        StatusCode::OK if answer.body.len() > LARGEST => Err(NoPicture::TooLarge),
        StatusCode::OK => Ok(answer.body),
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Err(NoPicture::Missing(status.as_u16()))
        }
        status => Err(NoPicture::Unreachable(format!("its host answers {}", status.as_u16()))),
    }
}
