//! The listener of linecho-smoltcp behind a TAP device, reached with the kernel's TCP. For a
//! process in a network namespace of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use linecho_devices::netns;
use linecho_smoltcp::smoltcp::wire::IpCidr;
use linecho_trials::Stop;

use super::sockets::{PACE, Sockets};
use super::stack::{PORT, Stack};
use super::{Network, Reach, Wanted};

/// A stack behind a TAP device.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Its name.
    pub name: &'static str,
    /// Reached with IPv6.
    pub v6: bool,
    /// Of 100 packets, so many are dropped each way.
    pub loss_percent: u8,
    /// The reason for which this process is in no network namespace of its own, if it is not.
    pub outside: Option<Stop>,
}

impl Reach for Tap {
    fn name(&self) -> String {
        self.name.into()
    }

    fn pace(&self) -> Duration {
        // What is lost is sent again after a second at the earliest, and after two.
        if self.loss_percent > 0 {
            Duration::from_secs(3)
        } else {
            PACE
        }
    }

    fn seeds(&self) -> u64 {
        1
    }

    fn start(&self, wanted: &Wanted, _: u64) -> Result<Box<dyn Network>, Stop> {
        let (stack, address) = self.stack(wanted)?;
        let sockets = Sockets::with_small_buffers(stack, address);
        Ok(Box::new(
            sockets.map_err(|error| Stop::Failed(error.to_string()))?,
        ))
    }
}

impl Tap {
    /// Has `peer` talk to a server at an address that it is told.
    ///
    /// # Errors
    ///
    /// When there is no such server, or the peer is not content.
    pub fn with_peer(&self, peer: fn(SocketAddr) -> Result<(), Stop>) -> Result<(), Stop> {
        let (_stack, address) = self.stack(&Wanted::default())?;
        peer(address)
    }

    fn stack(&self, wanted: &Wanted) -> Result<(Stack, SocketAddr), Stop> {
        if let Some(stop) = &self.outside {
            return Err(stop.clone());
        }
        // Each server has its own TAP device, with its own name: rules for dropping packets stay
        // when it has gone.
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let address = |host: u8| -> (IpAddr, u8) {
            if self.v6 {
                (
                    Ipv6Addr::new(0xfd77, number.into(), 0, 0, 0, 0, 0, host.into()).into(),
                    64,
                )
            } else {
                (Ipv4Addr::new(10, 77, number, host).into(), 24)
            }
        };
        let (ours, prefix) = address(1);
        let interface = format!("tap{number}");
        let tap = linecho_devices::Tap::open(&interface)
            .map_err(|error| Stop::lacking(&error.to_string()))?;
        netns::configure(&interface, &[address(2)])
            .map_err(|error| Stop::Failed(error.to_string()))?;
        if self.loss_percent > 0 {
            drop_packets(&interface, self.loss_percent)?;
        }
        let stack = Stack::start(tap, vec![IpCidr::new(ours.into(), prefix)], None, wanted)?;
        Ok((stack, SocketAddr::new(ours, PORT)))
    }
}

/// Has the kernel drop packets of an interface, each way.
fn drop_packets(interface: &str, percent: u8) -> Result<(), Stop> {
    let probability = f64::from(percent) / 100.0;
    for (chain, flag) in [("INPUT", "-i"), ("OUTPUT", "-o")] {
        let mut command = Command::new("iptables");
        command.args([
            "-w",
            "-A",
            chain,
            flag,
            interface,
            "-m",
            "statistic",
            "--mode",
            "random",
        ]);
        command.args(["--probability", &probability.to_string(), "-j", "DROP"]);
        let why = match command.output() {
            Ok(output) if output.status.success() => continue,
            Ok(output) => format!(
                "{command:?}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            Err(error) => format!("{command:?}: {error}"),
        };
        return Err(Stop::Skipped {
            why,
            enable: "apt-get install iptables".into(),
        });
    }
    Ok(())
}
