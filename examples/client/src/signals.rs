//! Signals that ask for a summary, also while the program waits.

use std::io;
#[cfg(unix)]
use std::process;

/// Starts a thread that prints `status` on SIGQUIT (Ctrl-\), and on SIGINT (Ctrl-C) and SIGTERM
/// what `summary` prints, whose value becomes the exit code of the program.
#[cfg(unix)]
pub(crate) fn watch(
    mut status: impl FnMut() + Send + 'static,
    summary: impl FnOnce() -> i32 + Send + 'static,
) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGQUIT, SIGTERM])?;
    let listen = move || {
        for signal in signals.forever() {
            if signal != SIGQUIT {
                break;
            }
            status();
        }
        process::exit(summary());
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
pub(crate) fn watch(
    _: impl FnMut() + Send + 'static,
    _: impl FnOnce() -> i32 + Send + 'static,
) -> io::Result<()> {
    Ok(())
}

/// Starts a thread that calls `stop` on the first SIGINT (Ctrl-C) or SIGTERM; the second one ends
/// the program at once.
#[cfg(unix)]
pub(crate) fn stop(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listen = move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            stop();
        }
        if signals.next().is_some() {
            process::exit(1);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
pub(crate) fn stop(_: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Ok(())
}
