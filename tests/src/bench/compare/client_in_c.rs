//! A second client that puts on a load, `tests/peers/load.c`, so that what is said of the servers
//! does not depend on the first.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::programs::Recipe;
use crate::bench::context;
use crate::bench::measure::load::Load;
use crate::bench::measure::server::Server;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Builds it, and returns `true` if it is there. Says so if this machine has no compiler.
///
/// # Errors
///
/// When it cannot be built although the compiler is there.
pub fn is_built() -> io::Result<bool> {
    if PROGRAM.get().is_none() {
        let Some(path) = Recipe::for_c("load")?.follow("the client in C")? else {
            return Ok(false);
        };
        PROGRAM.get_or_init(|| path);
    }
    Ok(true)
}

/// Puts `load` on `server`: for `warm_up` uncounted, then for `measured`. Returns the lines in a
/// second, and the CPU time of the server for a million of them, in seconds.
///
/// # Errors
///
/// When it is not built, a connection breaks or stands still, or a byte comes back wrong.
pub fn run(
    server: &Server,
    load: Load,
    warm_up: Duration,
    measured: Duration,
) -> io::Result<[f64; 2]> {
    let program = PROGRAM
        .get()
        .ok_or_else(|| io::Error::other("the client in C is not built"))?;
    let numbers = [
        u128::from(server.address().port()),
        server.pid().into(),
        load.connections as u128,
        load.line_bytes as u128,
        load.in_flight as u128,
        warm_up.as_millis(),
        measured.as_millis(),
    ];
    let output = Command::new(program)
        .args(numbers.map(|number| number.to_string()))
        .output()
        .map_err(context(program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = printed
        .split_whitespace()
        .filter_map(|figure| figure.parse().ok())
        .collect();
    match figures[..] {
        [lines, elapsed, cpu] if output.status.success() && lines > 0.0 => {
            Ok([lines / elapsed * 1e9, cpu / lines / 1e3])
        }
        _ => Err(io::Error::other(format!(
            "the client in C ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
