//! One line from the command line.

use std::ffi::OsString;
use std::io::{self, Write as _};

use linecho_examples::listen_address::Place;
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
    let mut client = server.connect().map_err(|mut failure| {
        if let Some(target) = words.first().and_then(|word| target_like(word)) {
            failure.text += &format!(
                "\n{target} stands behind send, and is a word of the line. A target stands before \
                 it: echo-client {target} send ..."
            );
        }
        failure
    })?;
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

/// Returns the word if it is written like a target, with host and port.
fn target_like(word: &[u8]) -> Option<&str> {
    let word = str::from_utf8(word).ok()?;
    (word.contains(':') && word.parse::<Place>().is_ok()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_from_other_words() {
        for word in ["host:7", "127.0.0.1:7", "[::1]:7", "unix:/run/echo.sock"] {
            assert_eq!(target_like(word.as_bytes()), Some(word));
        }
        for word in ["hello", "7", "hello:", "http://host:80", "10:30h"] {
            assert_eq!(target_like(word.as_bytes()), None, "{word}");
        }
    }
}
