//! Parses the command line and runs; nothing else.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match concord::cli::run().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if tracing::dispatcher::has_been_set() {
                tracing::error!(error = format!("{error:#}"), "Concord ends");
            } else {
                #[expect(clippy::print_stderr, reason = "logging has not started")]
                {
                    eprintln!("concord: {error:#}");
                }
            }
            ExitCode::FAILURE
        }
    }
}
