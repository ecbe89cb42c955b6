//! Both kinds of listener, by one interface.

use linecho_smoltcp::smoltcp::iface::{SocketSet, SocketStorage};
use linecho_smoltcp::{
    Event, HashedListener, HashedSlot, Instant, Listener, Options, Totals, Wake,
};

use super::{BUFFER, Host, LINE, PORT, tcp_socket};

/// The common interface of both kinds of listener.
pub(crate) trait Server {
    fn poll(&mut self, now: Instant, host: &mut Host, on_event: &mut dyn FnMut(Event)) -> Wake;
    fn shutdown(&mut self);
    fn is_drained(&self) -> bool;
    fn sessions(&self) -> usize;
    fn busy(&self) -> usize;
    fn totals(&self) -> &Totals;
}

macro_rules! server {
    ($listener:ident) => {
        impl<const N: usize> Server for $listener<'_, N> {
            fn poll(
                &mut self,
                now: Instant,
                host: &mut Host,
                on_event: &mut dyn FnMut(Event),
            ) -> Wake {
                let Host {
                    iface,
                    device,
                    sockets,
                } = host;
                $listener::poll(self, now, iface, device, sockets, on_event)
            }

            fn shutdown(&mut self) {
                $listener::shutdown(self);
            }

            fn is_drained(&self) -> bool {
                $listener::is_drained(self)
            }

            fn sessions(&self) -> usize {
                $listener::sessions(self)
            }

            fn busy(&self) -> usize {
                $listener::busy(self)
            }

            fn totals(&self) -> &Totals {
                $listener::totals(self)
            }
        }
    };
}

server!(Listener);
server!(HashedListener);

/// A listener with as many sockets as slots, and `lines` line buffers.
pub(crate) fn listen<const SLOTS: usize>(
    sockets: &mut SocketSet<'static>,
    port: u16,
    options: Options,
    lines: usize,
) -> Listener<'static, SLOTS> {
    let lines: &'static mut [u8] = vec![0; lines * LINE].leak();
    let own = (0..SLOTS).map(|_| tcp_socket(BUFFER));
    Listener::new(port, options, sockets, own, lines.chunks_mut(LINE)).unwrap()
}

/// Makes a listener with `slots` slots and `LINES` line buffers.
pub(crate) fn hashed_listener<const LINES: usize>(
    options: Options,
    slots: usize,
) -> HashedListener<'static, LINES> {
    let places: Vec<_> = (0..slots).map(|_| HashedSlot::default()).collect();
    let storage: Vec<_> = (0..slots).map(|_| SocketStorage::EMPTY).collect();
    let sockets = (0..slots).map(|_| tcp_socket(BUFFER));
    let lines = vec![0; LINES * LINE].leak().chunks_mut(LINE);
    let (places, storage) = (places.leak(), storage.leak());
    let key = 0x1234_5678_9abc_def0;
    HashedListener::new(PORT, options, key, places, storage, sockets, lines).unwrap()
}
