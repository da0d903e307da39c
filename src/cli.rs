//! Wires the house: commands, and the life of the service.

mod database;
mod demo;
mod doctor;
mod health;
mod restored;
mod rotate_key;
mod sandbox;
mod serve;
pub mod service;
mod with_postgres;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// Keeps a product catalogue in step, both ways, between Lightspeed Retail POS (R-Series) and
/// Lightspeed eCom (E-Series)
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Door, workers and sweep in one process; applies pending migrations first
    Serve {
        /// Refuse to start while migrations are pending, instead of applying them
        #[arg(long)]
        no_migrate: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Applies pending migrations
    Migrate {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Checks configuration, database, clock, tokens, scopes and reachability; says what to do about each fault
    Doctor {
        /// As one JSON document
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Makes a database that was restored from a backup safe to work with; once, before it is served
    AfterRestore {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Asks the service on this machine whether it can work; for orchestrators that can only run a command
    Health(health::Options),
    /// Seals all secrets anew under another master key: CONCORD_MASTER_KEY, or a generated one with a private cluster
    RotateKey {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Everything at once, to look at: a private Postgres, both sandbox platforms, and the service; needs no
    /// configuration
    Demo(demo::Options),
    /// The two sandbox platforms alone, on two ports
    Sandbox(sandbox::Options),
    /// Prints the OpenAPI document
    Openapi,
    /// Runs a command with a throw-away Postgres, its address in `DATABASE_URL`; for tests
    #[command(hide = true)]
    WithPostgres {
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

/// Runs the command line; returns the exit code.
pub async fn run() -> anyhow::Result<u8> {
    let ended = command().await;
    crate::telemetry::flush();
    ended
}

async fn command() -> anyhow::Result<u8> {
    match Cli::parse().command {
        Command::Serve { no_migrate, config } => serve::run(&config, no_migrate).await,
        Command::Migrate { config } => serve::migrate(&config).await,
        Command::Doctor { json, config } => doctor::run(&config, json).await,
        Command::AfterRestore { config } => restored::run(&config).await,
        Command::Health(options) => Ok(health::run(&options).await),
        Command::RotateKey { config } => rotate_key::run(&config).await,
        Command::Demo(options) => demo::run(options).await,
        Command::Sandbox(options) => sandbox::run(&options).await,
        Command::Openapi => {
            say(&serde_json::to_string_pretty(&crate::http::openapi())?);
            Ok(0)
        }
        Command::WithPostgres { command } => with_postgres::run(&command).await,
    }
}

/// Prints a line for the person at the terminal. Logs go to standard error instead.
#[expect(clippy::print_stdout, reason = "the one place that talks to the terminal")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Resolves on Ctrl-C or SIGTERM, from the call on: what comes before the future is awaited is not lost, and
/// does not end the process by itself.
pub(crate) fn told_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
