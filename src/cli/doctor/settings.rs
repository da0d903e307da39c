//! What can be said of the settings alone.

use std::net::IpAddr;

use secrecy::ExposeSecret;
use url::{Host, Url};

use super::Report;
use crate::config::Config;

/// A shorter token could be guessed by somebody with patience.
const SHORTEST_TOKEN: usize = 16;

pub(super) fn check(report: &mut Report, config: &Config) {
    if config.e_series_client_secret.is_some() {
        report.good("CONCORD_E_SERIES_CLIENT_SECRET is set: notices of E-Series can be checked");
    } else {
        report.fault(
            "CONCORD_E_SERIES_CLIENT_SECRET is not set: every notice of E-Series is refused",
            "Set it to the client secret of your E-Series application; until then changes are found by polling only.",
        );
    }
    if config.r_series_client_id.is_some() && config.r_series_client_secret.is_some() {
        report.good("the R-Series application is set: access tokens can be renewed");
    } else {
        report.fault(
            "CONCORD_R_SERIES_CLIENT_ID or CONCORD_R_SERIES_CLIENT_SECRET is not set",
            "Without them a connection ends when its R-Series access token does, usually after an hour.",
        );
    }
    public_url(report, config);
    match &config.admin_token {
        Some(token) if token.expose_secret().len() < SHORTEST_TOKEN => report.note(
            format!("CONCORD_ADMIN_TOKEN has fewer than {SHORTEST_TOKEN} characters"),
            "Make a longer one: head -c 24 /dev/urandom | base64",
        ),
        Some(_) => report.good("CONCORD_ADMIN_TOKEN is set"),
        None => report.good("CONCORD_ADMIN_TOKEN is not set: `concord serve` made one at its first start"),
    }
    for (name, url) in platforms(config) {
        if url.scheme() != "https" && !inside(url) {
            report.fault(
                format!("{name} is {url}: tokens would travel in the clear"),
                "Use https; plain http is for sandboxes on this machine.",
            );
        }
    }
}

/// The four addresses of the platforms, by the names of their settings.
pub(super) fn platforms(config: &Config) -> [(&'static str, &Url); 4] {
    [
        ("CONCORD_R_SERIES_API_URL", &config.r_series_api_url),
        ("CONCORD_R_SERIES_AUTH_URL", &config.r_series_auth_url),
        ("CONCORD_E_SERIES_API_URL", &config.e_series_api_url),
        ("CONCORD_E_SERIES_AUTH_URL", &config.e_series_auth_url),
    ]
}

/// E-Series delivers to HTTPS with a certificate of a public authority, at port 80, 443 or from 1024 on
/// (e-series-api.md, section 12.1).
fn public_url(report: &mut Report, config: &Config) {
    let remedy = "Set it to the HTTPS address at which the platforms reach Concord from outside.";
    let Some(url) = &config.public_url else {
        return report.note(
            "CONCORD_PUBLIC_URL is not set: the addresses that Concord hands out are those of this machine",
            remedy,
        );
    };
    let port = url.port_or_known_default().unwrap_or_default();
    if inside(url) {
        report.note(format!("CONCORD_PUBLIC_URL is {url}, which nobody reaches from outside"), remedy);
    } else if url.scheme() != "https" {
        report.fault(format!("CONCORD_PUBLIC_URL is {url}: E-Series delivers to HTTPS only"), remedy);
    } else if port < 1024 && ![80, 443].contains(&port) {
        report.fault(
            format!("CONCORD_PUBLIC_URL names port {port}, to which E-Series does not deliver"),
            remedy,
        );
    } else {
        report.good(format!("CONCORD_PUBLIC_URL is {url}"));
    }
}

/// An address of this machine or of a private network.
fn inside(url: &Url) -> bool {
    let ip = match url.host() {
        Some(Host::Domain(name)) => return name == "localhost" || !name.contains('.'),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        None => return false,
    };
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside() {
        for (url, expected) in [
            ("http://localhost:9101", true),
            ("http://postgres:1", true),
            ("http://127.0.0.1:9101", true),
            ("http://192.168.1.2", true),
            ("http://[::1]:1", true),
            ("https://api.lightspeedapp.com", false),
            ("http://93.184.216.34", false),
        ] {
            assert_eq!(inside(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
