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

/// Starts a thread that calls `stop` on each of the first two SIGINT (Ctrl-C) or SIGTERM; the third
/// one ends the program at once.
#[cfg(unix)]
pub(crate) fn stop(mut stop: impl FnMut() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listen = move || {
        let mut signals = signals.forever();
        signals.by_ref().take(2).for_each(|_| stop());
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
pub(crate) fn stop(_: impl FnMut() + Send + 'static) -> io::Result<()> {
    Ok(())
}

/// Starts a thread that calls `last_words` on SIGINT (Ctrl-C) or SIGTERM, and then lets the signal
/// end the program.
#[cfg(unix)]
pub(crate) fn before_the_end(last_words: impl FnOnce() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::low_level::emulate_default_handler;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listen = move || {
        if let Some(signal) = signals.forever().next() {
            last_words();
            // It ends the program, or else there is no such signal.
            let _ = emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
pub(crate) fn before_the_end(_: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Ok(())
}
