//! Why the database that is named cannot be reached. The pool only says that it has waited.

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::clock::{SharedClock, sleep};

/// Whoever lets a connection wait for longer than this does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What an address must begin with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Refuses, in words, what is no address of a Postgres. Never repeats it: a password stands in it.
pub fn check(url: &str) -> Result<(), String> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err("is not a postgres:// address (postgres://user:password@host:port/database)".into());
    }
    PgConnectOptions::from_str(url).map(drop).map_err(|error| format!("cannot be read: {error}"))
}

/// Connects once, and says in words what is in the way. Never names the password.
pub async fn reach(url: &str, clock: &SharedClock) -> Result<(), String> {
    check(url)?;
    let options = PgConnectOptions::from_str(url).map_err(|error| format!("cannot be read: {error}"))?;
    let place = match options.get_socket() {
        Some(socket) => format!("in the folder {}", socket.display()),
        None => format!("at host {}, port {}", options.get_host(), options.get_port()),
    };
    let failed = |reason: String| format!("names a database {place}, which cannot be reached: {reason}");
    tokio::select! {
        tried = options.connect() => {
            let connection = tried.map_err(|error| failed(reason(&error)))?;
            // It was there, which is all that was asked.
            let _ = connection.close().await;
            Ok(())
        }
        () = sleep(clock, ANSWER_LIMIT) => Err(failed("no answer comes from there".into())),
    }
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".into(),
            ErrorKind::NotFound => "there is no such socket".into(),
            _ if error.to_string().contains("lookup address") => "no such host is known".into(),
            _ => error.to_string(),
        },
        sqlx::Error::Database(said) => format!("the server says: {}", said.message()),
        error => error.to_string(),
    }
}
