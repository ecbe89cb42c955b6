//! The client half of a connection over smoltcp.

use core::time::Duration;

use embedded_io::ErrorKind;
use linecho_core::{Instant, Probe, ProbeError};
use smoltcp::iface::Context;
use smoltcp::socket::tcp::{self, ConnectError, RecvError, State};
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use crate::lifecycle;

/// A [`Probe`] on a socket: connects, exchanges lines, half-closes, and waits for the server's end.
///
/// The socket stays in its set. Give the client a turn whenever the stack has had one. (It reads
/// and writes the rings of the socket in place, which spares the copy that a driver of the core
/// makes.)
///
/// ```
/// # use core::time::Duration;
/// use linecho_smoltcp::smoltcp::iface::{Interface, SocketHandle, SocketSet};
/// use linecho_smoltcp::smoltcp::socket::tcp::{ConnectError, Socket};
/// use linecho_smoltcp::smoltcp::wire::IpAddress;
/// use linecho_smoltcp::{Client, ClientTurn, Instant, egress, ingress};
/// # use linecho_smoltcp::smoltcp::phy::Device;
///
/// fn hello(
///     iface: &mut Interface,
///     device: &mut impl Device,
///     sockets: &mut SocketSet,
///     handle: SocketHandle,
///     clock: impl Fn() -> Instant,
///     log: impl Fn(Duration),
/// ) -> Result<(), ConnectError> {
///     let server = (IpAddress::v4(192, 168, 69, 1), 7);
///     let tcp = sockets.get_mut::<Socket>(handle);
///     let mut client = Client::<_, 4>::connect([0; 256], tcp, iface.context(), server, 49152)?;
///     client.probe().queue(b"hello\n").expect("there is room for 256 bytes");
///     client.finish();
///     loop {
///         let now = clock();
///         ingress(now, iface, device, sockets);
///         let turn = client.turn(now, sockets.get_mut(handle), &log);
///         egress(now, iface, device, sockets);
///         match turn {
///             Ok(ClientTurn::Wait | ClientTurn::Done) => {}
///             Ok(ClientTurn::Closed) => return Ok(()),
///             Err(error) => panic!("{error}"),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Client<S, const WINDOW: usize> {
    probe: Probe<S, WINDOW>,
    was_open: bool,
    finishing: bool,
}

/// The state of a [`Client`] after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClientTurn {
    /// It waits for the server.
    Wait,
    /// Everything that was queued has come back: queue more, or [`finish`](Client::finish).
    Done,
    /// Everything has come back, and the server has closed its side.
    Closed,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, const WINDOW: usize> Client<S, WINDOW> {
    /// Starts to connect `tcp`, from `local` (a port, or an address and a port) to `remote`. Lines
    /// can be queued at once.
    ///
    /// # Errors
    ///
    /// [`ConnectError::InvalidState`] if the socket is open, [`ConnectError::Unaddressable`] if a
    /// port is 0 or the interface has no address of the right family.
    pub fn connect(
        storage: S,
        tcp: &mut tcp::Socket<'_>,
        context: &mut Context,
        remote: impl Into<IpEndpoint>,
        local: impl Into<IpListenEndpoint>,
    ) -> Result<Self, ConnectError> {
        // Congestion state outlives a connection.
        tcp.set_congestion_control(tcp.congestion_control());
        tcp.set_nagle_enabled(false);
        tcp.connect(context, remote, local)?;
        Ok(Self {
            probe: Probe::new(storage),
            was_open: false,
            finishing: false,
        })
    }

    /// Returns the probe: queue lines there, and read its counts.
    pub fn probe(&mut self) -> &mut Probe<S, WINDOW> {
        &mut self.probe
    }

    /// Half-closes when everything that was queued has been sent. Queue no more after it.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// Sends what is queued, and checks what has come back. Calls `on_line` with the round-trip
    /// time of each line.
    ///
    /// # Errors
    ///
    /// [`ProbeError`] as soon as something is wrong; abort the socket then. A server that refuses
    /// the connection is [`ProbeError::Io`] with [`ErrorKind::ConnectionRefused`].
    pub fn turn(
        &mut self,
        now: Instant,
        tcp: &mut tcp::Socket<'_>,
        mut on_line: impl FnMut(Duration),
    ) -> Result<ClientTurn, ProbeError> {
        self.was_open |= tcp.may_send();
        let sent = tcp.send_slice(self.probe.output()).unwrap_or(0);
        self.probe.sent(sent, now);
        if self.finishing && self.probe.output().is_empty() && tcp.may_send() {
            lifecycle::close(tcp);
        }
        // In two pieces where they go around the end of the ring.
        while tcp.can_recv() {
            let probe = &mut self.probe;
            let check = |bytes: &mut [u8]| (bytes.len(), probe.check(bytes, now, &mut on_line));
            tcp.recv(check).unwrap_or(Ok(()))?;
        }
        match tcp.peek(0).map(|_| ()) {
            Ok(()) if self.probe.is_done() && !self.finishing => Ok(ClientTurn::Done),
            Ok(()) => Ok(ClientTurn::Wait),
            Err(RecvError::Finished) => {
                self.probe.end_of_input()?;
                tcp.close();
                Ok(ClientTurn::Closed)
            }
            Err(RecvError::InvalidState) if tcp.state() != State::Closed => Ok(ClientTurn::Wait),
            Err(RecvError::InvalidState) => Err(ProbeError::Io(if self.was_open {
                ErrorKind::ConnectionReset
            } else {
                ErrorKind::ConnectionRefused
            })),
        }
    }
}
