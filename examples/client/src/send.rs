//! One line from the command line.

use std::ffi::OsString;
use std::io::{self, Write as _};

use linecho_std::Cause;
use serde_json::json;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{self, Output, millis};
use crate::server::Server;

pub(crate) fn run(server: &Server, words: &[OsString], output: &Output) -> Outcome {
    let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let mut line = words.join(&b' ');
    if line.contains(&b'\n') {
        return Err(Failure {
            cause: Cause::Usage,
            text: "a line cannot contain a newline: send several lines through a pipe".into(),
        });
    }
    line.extend(server.carriage_return());
    let mut client = server.connect()?;
    let round_trip = client.echo(&line)?;
    output.object(
        "summary",
        &json!({
            "ok": true,
            "text": String::from_utf8_lossy(&line),
            "bytes": line.len() + 1,
            "rtt_ms": millis(round_trip),
            "backend": output::backend(client.identity()),
        }),
    );
    if !output.json {
        line.push(b'\n');
        io::stdout().write_all(&line)?;
    }
    Ok(())
}
