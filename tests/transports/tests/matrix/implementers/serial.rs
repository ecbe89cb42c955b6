//! Terminals and serial ports. They have no half-close.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_io::Async as Polling;
use embedded_io_adapters::std::FromStd;
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use serialport::TTYPort;

use crate::driven::Blocking;
use crate::peer::Futures;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("a pseudo-terminal in raw mode", "", pty),
        row("`serialport::TTYPort`", "serialport", serial),
    ]
}

type Peer = Futures<Polling<File>>;

fn peer(master: OwnedFd) -> Peer {
    Futures(Polling::new(File::from(master)).expect("a terminal"))
}

async fn pty() -> (Blocking<FromStd<File>>, Peer) {
    let pair = openpty(None, None).expect("a terminal");
    let mut settings = tcgetattr(&pair.slave).expect("settings");
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).expect("raw mode");
    (
        Blocking(FromStd::new(File::from(pair.slave))),
        peer(pair.master),
    )
}

async fn serial() -> (Blocking<FromStd<TTYPort>>, Peer) {
    let pair = openpty(None, None).expect("a terminal");
    let name = ttyname(&pair.slave).expect("a name");
    let port = serialport::new(name.to_string_lossy(), 0)
        .timeout(Duration::from_secs(100))
        .open_native()
        .expect("a port");
    (Blocking(FromStd::new(port)), peer(pair.master))
}
