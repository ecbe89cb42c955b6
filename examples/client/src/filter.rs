//! A filter: standard input goes out, what comes back goes to standard output.

use std::io::{self, Read, Write as _};

use linecho_std::Ending;
use serde_json::json;

use crate::Outcome;
use crate::output::{self, Output};
use crate::server::Server;

pub(crate) fn run(server: &Server, output: &Output) -> Outcome {
    let client = server.connect()?;
    let mut stdout = io::stdout().lock();
    let summary = match server.options.crlf {
        true => client.filter(WithCarriageReturns::new(io::stdin()), &mut stdout),
        false => client.filter(io::stdin(), &mut stdout),
    }?;
    let ending = match summary.ending {
        Ending::Closed => "closed",
        Ending::Reset => "reset",
        _ => "open",
    };
    output.object(
        "summary",
        &json!({
            "ok": true,
            "lines": summary.lines,
            "bytes": summary.bytes,
            "ending": ending,
            "backend": output::backend(summary.identity.as_deref()),
        }),
    );
    let remark = match summary.ending {
        Ending::Closed => return Ok(()),
        Ending::Reset => "the connection was then reset rather than closed".into(),
        _ => format!(
            "the connection was not closed within {:?} after our half-close",
            server.options.linger
        ),
    };
    if !output.json {
        let _ = writeln!(io::stderr(), "echo-client: everything came back; {remark}");
    }
    Ok(())
}

/// Puts a CR before each newline.
struct WithCarriageReturns<R> {
    inner: R,
    /// Bytes that are ready, the next one last.
    ready: Vec<u8>,
    last: u8,
}

impl<R> WithCarriageReturns<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            ready: Vec::new(),
            last: 0,
        }
    }
}

impl<R: Read> Read for WithCarriageReturns<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            let mut bytes = vec![0; (buffer.len() / 2).max(1)];
            let n = self.inner.read(&mut bytes)?;
            for &byte in &bytes[..n] {
                if byte == b'\n' && self.last != b'\r' {
                    self.ready.push(b'\r');
                }
                self.ready.push(byte);
                self.last = byte;
            }
            self.ready.reverse();
        }
        let n = self.ready.len().min(buffer.len());
        for place in &mut buffer[..n] {
            *place = self.ready.pop().unwrap_or_default();
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_newline_gets_one_carriage_return() {
        let mut text = Vec::new();
        let input = &b"one\ntwo\r\n\nthree"[..];
        let mut input = WithCarriageReturns::new(input);
        input.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"one\r\ntwo\r\n\r\nthree");
    }
}
