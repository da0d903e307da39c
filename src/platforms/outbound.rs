//! Where calls may lead: a name under one of the vendor's domains never leads into a private network.
//!
//! A call goes to the address that the configuration names and to no other host (`transport`), redirects are not
//! followed, and certificates are always checked. What is left is a resolver that lies: it could turn a name of the
//! vendor's into an address of the operator's own network. Names outside the vendor's domains can only stand in the
//! configuration because an operator has put them there, such as a sandbox; they may lead anywhere.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Domains of the vendor, and of where it keeps pictures (r-series-api.md, sections 1.1 and 4.6; e-series-api.md,
/// section 1.1).
const VENDORS: [&str; 7] = [
    "cloudfront.net",
    "cloudinary.com",
    "lightspeedapp.com",
    "lightspeedhq.com",
    "merchantos.com",
    "ecwid.com",
    "shopsettings.com",
];

/// The resolver for all calls.
pub(super) fn resolver() -> Arc<dyn Resolve> {
    Arc::new(Careful)
}

#[derive(Debug, Clone, Copy)]
struct Careful;

impl Resolve for Careful {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&name, found.collect())?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses to which a call to this name may go; none is an error that says so.
fn allowed(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    if !is_vendors(name) {
        return Ok(found);
    }
    let public: Vec<SocketAddr> = found.into_iter().filter(|address| is_public(address.ip())).collect();
    if public.is_empty() {
        Err(format!("{name} leads into a private network, where nothing is sent"))
    } else {
        Ok(public)
    }
}

fn is_vendors(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    VENDORS.iter().any(|domain| {
        name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// Is it an address of the open internet?
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                // Shared by providers (RFC 6598), protocol assignments (RFC 6890), benchmarks (RFC 2544).
                || (a == 100 && (64..128).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // An IPv4 address in other clothes (RFC 6052, 6to4) is judged by itself.
            if let Some(inner) = translated(v6) {
                return is_public(inner);
            }
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
                || (first == 0x2001 && second == 0x0db8)
                || first == 0x0100)
        }
    }
}

fn translated(v6: Ipv6Addr) -> Option<IpAddr> {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(IpAddr::from([a, b, c, d]))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect()
    }

    #[test]
    fn what_is_public() {
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_name_of_the_vendors_does_not_lead_into_a_private_network() {
        let mixed = || addresses(&["10.0.0.1", "8.8.8.8"]);
        assert_eq!(allowed("api.lightspeedapp.com", mixed()).unwrap(), addresses(&["8.8.8.8"]));
        assert_eq!(allowed("APP.ECWID.COM.", mixed()).unwrap(), addresses(&["8.8.8.8"]));
        let error = allowed("app.ecwid.com", addresses(&["169.254.169.254", "::1"])).unwrap_err();
        assert!(error.contains("app.ecwid.com"), "{error}");
        // What an operator has configured may lead anywhere; a name that only looks like the vendor's is none.
        for own in ["localhost", "sandbox", "ecwid.com.example", "notecwid.com"] {
            assert_eq!(allowed(own, mixed()).unwrap(), mixed(), "{own}");
        }
    }
}
