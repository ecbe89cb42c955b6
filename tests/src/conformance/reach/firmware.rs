//! The firmware on a board in QEMU, reached through QEMU's user network.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use linecho_trials::Stop;

use super::sockets::{PACE, Server, Sockets, kernel_buffers};
use super::{Facts, Network, Reach, Wanted};
use crate::firmware::{Board, Image, Machine, Session};

/// The lines of the firmware (`LINE_BYTES` in its `config.rs`).
const LINE_BYTES: usize = 256;

/// More bytes than QEMU's user network and the board's sockets keep of a connection, both ways.
const NETWORK_BYTES: usize = 1 << 20;

/// The firmware on a board.
#[derive(Clone, Copy, Debug)]
pub struct Firmware(pub Board);

impl Reach for Firmware {
    fn name(&self) -> String {
        format!("firmware_{}", self.0.name().replace('-', "_"))
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn seeds(&self) -> u64 {
        1
    }

    fn start(&self, wanted: &Wanted, _: u64) -> Result<Box<dyn Network>, Stop> {
        let image = Image {
            test_commands: true,
            ..Image::of(self.0)
        };
        let session = Session {
            long_lines: wanted.long_lines,
            idle: wanted.idle_timeout.unwrap_or_default(),
            write: wanted.write_timeout.unwrap_or_default(),
        };
        let machine = Machine::boot_for_test(&image.build()?, self.0, &session)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, machine.port()));
        let running = Running {
            slots: image.slots,
            machine,
            shut_down: None,
        };
        let sockets = Sockets::new(running, address);
        Ok(Box::new(
            sockets.map_err(|error| Stop::Failed(error.to_string()))?,
        ))
    }
}

struct Running {
    slots: u8,
    machine: Machine,
    shut_down: Option<Instant>,
}

/// Its totals are not asked for: the user network turns a reset into an orderly end.
impl Server for Running {
    fn facts(&self) -> Facts {
        let in_transit = kernel_buffers() + NETWORK_BYTES;
        Facts {
            buffer: LINE_BYTES,
            connections: self.slots.into(),
            in_transit,
            sees_silent: true,
            bulk: in_transit + NETWORK_BYTES,
        }
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.shut_down = Some(Instant::now());
        Ok(self.machine.command(b"q")?)
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        /// A client that goes away without reading is not noticed: while both directions are full,
        /// the user network does not pass its reset on, and answers for it for ever. No
        /// other session takes so long.
        const STUCK: Duration = PACE.saturating_mul(20);
        match self.machine.next_line(Duration::ZERO) {
            Err(problem) if !self.machine.has_logged("DRAINED") => Err(problem.into()),
            _ => Ok(self.machine.has_logged("DRAINED")
                || self.shut_down.is_some_and(|since| since.elapsed() > STUCK)),
        }
    }
}
