//! The server of linecho-std in this process, reached through the loopback interface.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use linecho_core::{Config, Totals};
use linecho_std::{Handle, Report};
use linecho_trials::Stop;

use super::sockets::{self, PACE, Server, Sockets};
use super::{Facts, Network, Reach, Wanted};

/// Small, so that lines that do not fit are cheap.
const MAX_LINE: usize = 4096;

/// The server of linecho-std on an address of the loopback interface.
#[derive(Clone, Copy, Debug)]
pub struct Std {
    /// 127.0.0.1 or `::1`.
    pub address: IpAddr,
    /// The number of event loops; 0 for one per core.
    pub workers: usize,
    /// The time for which each loop asks on before it sleeps.
    pub spin: Duration,
}

impl Reach for Std {
    fn name(&self) -> String {
        if self.address.is_ipv4() {
            "std_v4".into()
        } else {
            "std_v6".into()
        }
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn seeds(&self) -> u64 {
        1
    }

    fn start(&self, wanted: &Wanted, _: u64) -> Result<Box<dyn Network>, Stop> {
        let session = Config::new()
            .long_lines(wanted.long_lines)
            .idle_timeout(wanted.idle_timeout)
            .write_timeout(wanted.write_timeout);
        let builder = linecho_std::Server::builder()
            .session(session)
            .max_line(MAX_LINE)
            .max_connections(wanted.connections.unwrap_or(usize::MAX))
            .workers(self.workers)
            .spin(self.spin)
            .drain_timeout(PACE * 20);
        let server = match builder.listen([SocketAddr::new(self.address, 0)]) {
            Err(error) if self.address == IpAddr::V6(Ipv6Addr::LOCALHOST) => {
                return Err(Stop::Skipped {
                    why: format!("no IPv6 on the loopback interface: {error}"),
                    enable: "sysctl -w net.ipv6.conf.lo.disable_ipv6=0".into(),
                });
            }
            result => result.map_err(|error| Stop::Failed(error.to_string()))?,
        };
        let (address, handle) = (server.addresses()[0], server.handle());
        let running = Running {
            handle,
            connections: wanted.connections,
            thread: Some(std::thread::spawn(move || server.run())),
        };
        let sockets = Sockets::new(running, address);
        Ok(Box::new(
            sockets.map_err(|error| Stop::Failed(error.to_string()))?,
        ))
    }
}

struct Running {
    handle: Handle,
    connections: Option<usize>,
    thread: Option<JoinHandle<io::Result<Report>>>,
}

impl Server for Running {
    fn facts(&self) -> Facts {
        sockets::facts(MAX_LINE, self.connections)
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(self.handle.totals())
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.handle.shutdown();
        Ok(())
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            match thread.join() {
                Ok(Ok(report)) if report.unfinished.connections == 0 => {}
                Ok(result) => {
                    return Err(Stop::Failed(format!("the server ended with {result:?}")));
                }
                Err(_) => return Err(Stop::Failed("the server panicked".into())),
            }
        }
        Ok(self.thread.is_none())
    }
}

impl Drop for Running {
    /// Cuts what is left, so that no server outlives its scenario.
    fn drop(&mut self) {
        self.handle.shutdown();
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
