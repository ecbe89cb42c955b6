//! The listener of linecho-smoltcp behind passt, which needs no privilege: the peers connect to a
//! port of 127.0.0.1, and passt brings each connection to the stack as frames on a UNIX socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use linecho_devices::{FramedStream, stream};
use linecho_smoltcp::Totals;
use linecho_smoltcp::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, IpCidr,
};

use super::sockets::{PACE, Server, Sockets, kernel_buffers};
use super::stack::{MAC, PORT, Stack};
use super::{Facts, Network, Reach, Wanted};
use linecho_trials::Stop;
use linecho_trials::process::Running;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// As whom passt brings connections from the host.
const PASST: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 2);

/// passt, one process for each server.
#[derive(Clone, Copy, Debug)]
pub struct Passt;

impl Reach for Passt {
    fn name(&self) -> String {
        "passt".into()
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn seeds(&self) -> u64 {
        1
    }

    fn start(&self, wanted: &Wanted, _: u64) -> Result<Box<dyn Network>, Stop> {
        let failed = |error: io::Error| Stop::Failed(format!("cannot start passt: {error}"));
        let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
        let address = free_address().map_err(failed)?;
        let child = passt(address, theirs).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Stop::no_program("passt", "passt"),
            _ => failed(error),
        })?;
        let child = Running(child);
        introduce(&mut ours).map_err(failed)?;
        let stream =
            FramedStream::new(ours, 1500).map_err(|error| Stop::Failed(error.to_string()))?;
        let stack = Stack::start(
            stream::Passt::new(stream),
            vec![IpCidr::new(OURS.into(), 24)],
            Some(PASST),
            wanted,
        )?;
        let sockets = Sockets::with_small_buffers(
            BehindPasst {
                stack,
                _child: child,
            },
            address,
        );
        Ok(Box::new(sockets.map_err(failed)?))
    }
}

/// An address on the loopback interface that nobody listens on.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn passt(address: SocketAddr, stream: UnixStream) -> io::Result<Child> {
    let mut command = Command::new("passt");
    command.args(["--foreground", "--quiet", "--fd", "0", "--ipv4-only"]);
    command.args([
        "--tcp-ports",
        &format!("{}/{}:{PORT}", address.ip(), address.port()),
    ]);
    command.args([
        "--address",
        &OURS.to_string(),
        "--netmask",
        "24",
        "--gateway",
        &PASST.to_string(),
    ]);
    command.args(["--no-udp", "--no-icmp", "--no-dhcp"]);
    command
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Tells passt our hardware address: it does not ask for it, and a connection that came before
/// would be lost. Back when passt has answered.
fn introduce(stream: &mut UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&question())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)
}

/// An ARP request, as it goes over the stream: with its length before it.
fn question() -> Vec<u8> {
    let ethernet = EthernetRepr {
        src_addr: MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    };
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC,
        source_protocol_addr: OURS,
        target_hardware_addr: EthernetAddress::BROADCAST,
        target_protocol_addr: PASST,
    };
    let mut frame = vec![0; ethernet.buffer_len() + arp.buffer_len()];
    let mut packet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.emit(&mut packet);
    arp.emit(&mut ArpPacket::new_unchecked(packet.payload_mut()));
    [&(frame.len() as u32).to_be_bytes()[..], &frame].concat()
}

struct BehindPasst {
    stack: Stack,
    _child: Running,
}

impl Server for BehindPasst {
    /// The host's kernel keeps as much of a connection as of one to any server, and passt is not
    /// fast.
    fn facts(&self) -> Facts {
        let facts = self.stack.facts();
        let in_transit = facts.in_transit + kernel_buffers();
        Facts {
            in_transit,
            sees_silent: false,
            bulk: 2 << 20,
            ..facts
        }
    }

    fn totals(&mut self) -> Option<Totals> {
        self.stack.totals()
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.stack.shut_down()
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        self.stack.is_down()
    }
}
