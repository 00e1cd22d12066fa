//! `printery-workers health`: what a container's health check runs.
//!
//! Asks the process that serves HTTP in the same container, manager or worker, and needs neither
//! Redis nor a fleet file for it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use printery_harness::args::CommonArgs;
use printery_harness::exit;

use crate::local_http;
use crate::settings::HTTP_ADDR;

/// How long the process may take to answer. 3 s, below the usual patience of container engines.
const PATIENCE: Duration = Duration::from_secs(3);
const PROGRAM: &str = "printery-workers health";

/// Exits 0 when `/health` answers 200, 1 when it does not, 2 when there is nothing to ask.
pub(crate) fn health(common: &CommonArgs) -> ExitCode {
    let said = common.http_addr.as_deref().unwrap_or(HTTP_ADDR);
    let Ok(address) = said.parse::<SocketAddr>() else {
        let problem = format!("--http-addr {said:?} is not an address that can be asked");
        exit::report(PROGRAM, &problem);
        return exit::code(exit::USAGE);
    };
    let asked = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(local_http::get(address, "/health", PATIENCE)));
    let problem = match asked {
        Ok(answer) if answer.status == 200 => return exit::code(exit::DONE),
        Ok(answer) => format!("{address} answers {}: {}", answer.status, answer.body),
        Err(error) => format!("{address}: {error}"),
    };
    exit::report(PROGRAM, &problem);
    exit::code(exit::FAILED)
}
