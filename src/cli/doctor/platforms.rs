//! Are the platforms there, and is it the same time there as here?

use chrono::TimeDelta;

use super::Report;
use super::settings::platforms;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::platforms::transport::{HttpClient, Transport};

/// Signed events are taken from 5 minutes ahead, and tokens live for an hour: less than this does no harm. A `Date`
/// header is whole seconds, and the answer was on its way.
const APART: TimeDelta = TimeDelta::seconds(10);

pub(super) async fn check(report: &mut Report, config: &Config, client: &HttpClient, clock: &SharedClock) {
    let mut asked = Vec::new();
    for (name, url) in platforms(config) {
        if asked.contains(&url) {
            continue;
        }
        asked.push(url);
        match Transport::new(client.clone(), url.clone()).greet().await {
            Err(error) => report.fault(
                format!("{url} ({name}) cannot be reached: {error}"),
                "Check the address, name resolution, and that a firewall or proxy lets Concord out to port 443.",
            ),
            Ok(None) => report.good(format!("{url} can be reached; it does not tell its time")),
            Ok(Some(theirs)) => {
                let ahead = clock.now() - theirs;
                if ahead.abs() > APART {
                    report.fault(
                        format!("this machine's clock differs by {} s from that of {url}", ahead.num_seconds()),
                        "Set the clock by NTP: notices outside the replay window are refused, and change polls miss rows.",
                    );
                } else {
                    report.good(format!("{url} can be reached, and has the same time"));
                }
            }
        }
    }
}
