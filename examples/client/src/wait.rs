//! Waiting for a server, in scripts and health checks: one line must come back, not just a
//! connection.

use std::time::Duration;

use linecho_examples::words::counted;
use linecho_std::Cause;
use serde_json::json;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{self, Output, millis};
use crate::server::Server;

pub(crate) fn run(server: &Server, limit: Duration, output: &Output) -> Outcome {
    let waited = server.builder().wait_for_echo(&server.name(), limit);
    let waited = waited.map_err(|error| {
        let mut failure = Failure::from(error);
        if failure.cause == Cause::Refused
            && let Some(advice) = server.advice_when_refused()
        {
            failure.text += &format!("\n{advice}");
        }
        failure
    })?;
    let peer = waited.client.peer()?;
    let identity = waited.client.identity();
    let by = identity.map_or_else(String::new, |it| format!(", it is {}", it.backend));
    output.line(&format!(
        "{peer} echoes after {:.3} s ({}){by}",
        waited.took.as_secs_f64(),
        counted(waited.attempts, "attempt")
    ));
    output.object(
        "summary",
        &json!({
            "ok": true,
            "peer": peer.to_string(),
            "attempts": waited.attempts,
            "waited_ms": millis(waited.took),
            "rtt_ms": millis(waited.round_trip),
            "backend": output::backend(identity),
        }),
    );
    Ok(())
}
