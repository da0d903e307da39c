//! Parses the command line and runs; nothing else.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match concord::cli::run().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            #[expect(clippy::print_stderr, reason = "logging may not have started")]
            {
                eprintln!("concord: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
