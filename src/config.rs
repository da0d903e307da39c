//! Configuration: the environment, with the same names as options. `concord serve --help` is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use url::Url;

/// What a service needs to know.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the HTTP server
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Base of the addresses handed to the platforms [default: from the listen address]
    #[arg(long, env = "CONCORD_PUBLIC_URL")]
    pub public_url: Option<Url>,
    /// Postgres 14 or newer [default: a private cluster in the data directory]
    #[arg(long, env = "CONCORD_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Private cluster and generated key [default: ~/.local/share/concord]
    #[arg(long, env = "CONCORD_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Base64 of 32 bytes; seals secrets at rest [default with a private cluster: generated once]
    #[arg(long, env = "CONCORD_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<SecretString>,
    /// An earlier master key, which opens what it has sealed until `concord rotate-key` has sealed that anew
    #[arg(long, env = "CONCORD_OLD_MASTER_KEY", hide_env_values = true)]
    pub old_master_key: Option<SecretString>,
    /// A bearer token with all scopes [default: generated on the first start and printed once]
    #[arg(long, env = "CONCORD_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<SecretString>,
    /// R-Series API, without version segments
    #[arg(long, env = "CONCORD_R_SERIES_API_URL", default_value = "https://api.lightspeedapp.com")]
    pub r_series_api_url: Url,
    /// R-Series sign-in
    #[arg(long, env = "CONCORD_R_SERIES_AUTH_URL", default_value = "https://cloud.lightspeedapp.com")]
    pub r_series_auth_url: Url,
    /// Where R-Series keeps its pictures: the only host from which any of the shop's are read
    #[arg(long, env = "CONCORD_R_SERIES_IMAGES_URL", default_value = "https://res.cloudinary.com")]
    pub r_series_images_url: Url,
    /// R-Series application, for renewing tokens
    #[arg(long, env = "CONCORD_R_SERIES_CLIENT_ID")]
    pub r_series_client_id: Option<String>,
    /// Secret of the R-Series application
    #[arg(long, env = "CONCORD_R_SERIES_CLIENT_SECRET", hide_env_values = true)]
    pub r_series_client_secret: Option<SecretString>,
    /// E-Series API, without version segments
    #[arg(long, env = "CONCORD_E_SERIES_API_URL", default_value = "https://app.ecwid.com")]
    pub e_series_api_url: Url,
    /// Where E-Series keeps its pictures, separated by commas: what exists there alone is read before it goes
    #[arg(
        long,
        env = "CONCORD_E_SERIES_IMAGES_URLS",
        value_delimiter = ',',
        default_value = "https://images-cdn.ecwid.com,https://d2j6dbq0eux0bg.cloudfront.net"
    )]
    pub e_series_images_urls: Vec<Url>,
    /// E-Series sign-in
    #[arg(long, env = "CONCORD_E_SERIES_AUTH_URL", default_value = "https://my.ecwid.com")]
    pub e_series_auth_url: Url,
    /// E-Series application
    #[arg(long, env = "CONCORD_E_SERIES_CLIENT_ID")]
    pub e_series_client_id: Option<String>,
    /// Secret of the E-Series application; also the key of its webhook signature
    #[arg(long, env = "CONCORD_E_SERIES_CLIENT_SECRET", hide_env_values = true)]
    pub e_series_client_secret: Option<SecretString>,
    /// Seconds between two change polls of one connection
    #[arg(long, env = "CONCORD_SWEEP_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub sweep_seconds: u64,
    /// Days that entries of the ledger are kept, by whole months; 0 is for ever. What explains a value that still
    /// stands is kept longer
    #[arg(long, env = "CONCORD_LEDGER_DAYS", default_value_t = 400, value_parser = ledger_days)]
    pub ledger_days: u32,
    /// Days that notices are kept once they are explained; 0 is for ever
    #[arg(long, env = "CONCORD_INBOX_DAYS", default_value_t = 30, value_parser = inbox_days)]
    pub inbox_days: u32,
    /// Connections with something due that are worked on at once
    #[arg(long, env = "CONCORD_WORKERS", default_value_t = 4, value_parser = workers)]
    pub workers: usize,
    /// Connections at the HTTP server; more wait, and health stays reachable
    #[arg(long, env = "CONCORD_MAX_CONNECTIONS", default_value_t = 4_096, value_parser = max_connections)]
    pub max_connections: usize,
    /// Requests a minute with one API key; 0 is without a limit
    #[arg(long, env = "CONCORD_KEY_RATE", default_value_t = 6_000)]
    pub key_rate: u32,
    /// Requests a minute from one address, except for notices, health and metrics; 0 is without a limit
    #[arg(long, env = "CONCORD_ADDRESS_RATE", default_value_t = 12_000)]
    pub address_rate: u32,
    /// Notices a minute from one address that are not genuine; genuine ones are not limited; 0 is without a limit
    #[arg(long, env = "CONCORD_REFUSED_NOTICE_RATE", default_value_t = 600)]
    pub refused_notice_rate: u32,
    /// Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8,192.0.2.7 [default: none]
    #[arg(long, env = "CONCORD_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    /// Log filter
    #[arg(long, env = "CONCORD_LOG", default_value = "info")]
    pub log: String,
    /// `text` or `json`
    #[arg(long, env = "CONCORD_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// More would only wait for the database.
fn workers(text: &str) -> Result<usize, String> {
    within(text, 1, 64)
}

/// A month is dropped as a whole.
fn ledger_days(text: &str) -> Result<u32, String> {
    kept(text, 31)
}

/// A notice that comes again must be known for as long as its sender may repeat it (25 hours).
fn inbox_days(text: &str) -> Result<u32, String> {
    kept(text, 2)
}

fn kept(text: &str, least: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number == 0 || (least..=36_500).contains(number));
    number.ok_or_else(|| format!("0, or a whole number of days from {least} to 36500 is wanted"))
}

fn max_connections(text: &str) -> Result<usize, String> {
    within(text, 1, 1_000_000)
}

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a whole number from {least} to {most} is wanted"))
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Config {
    /// Between two polls.
    #[must_use]
    pub fn sweep_interval(&self) -> Duration {
        Duration::from_secs(self.sweep_seconds)
    }

    /// Base of the addresses handed out, without a slash at its end.
    #[must_use]
    pub fn public_base(&self, bound: SocketAddr) -> String {
        let base = self.public_url.as_ref().map_or_else(|| format!("http://{bound}"), Url::to_string);
        base.trim_end_matches('/').to_owned()
    }
}
