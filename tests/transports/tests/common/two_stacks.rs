//! Two stacks of embassy-net with a link between them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

const MTU: usize = 1500;

/// The addresses of the two.
pub(crate) const ADDRESSES: [Ipv4Address; 2] =
    [Ipv4Address::new(10, 0, 0, 1), Ipv4Address::new(10, 0, 0, 2)];

/// One direction of the link.
#[derive(Clone, Default)]
struct Queue(Rc<RefCell<Packets>>);

#[derive(Default)]
struct Packets {
    waiting: VecDeque<Vec<u8>>,
    receiver: Option<Waker>,
}

/// One end of the link.
pub(crate) struct End {
    incoming: Queue,
    outgoing: Queue,
}

/// The two stacks, and what runs them.
pub(crate) fn two_stacks() -> [(Stack<'static>, Runner<'static, End>); 2] {
    let (one, other) = (Queue::default(), Queue::default());
    let ends = [
        End {
            incoming: one.clone(),
            outgoing: other.clone(),
        },
        End {
            incoming: other,
            outgoing: one,
        },
    ];
    let mut addresses = ADDRESSES.into_iter();
    ends.map(|end| {
        let address = addresses.next().expect("two");
        let config = Config::ipv4_static(StaticConfigV4 {
            address: Ipv4Cidr::new(address, 24),
            gateway: None,
            dns_servers: Default::default(),
        });
        let resources = Box::leak(Box::new(StackResources::<4>::new()));
        embassy_net::new(end, config, resources, 7)
    })
}

impl Driver for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received, Sending<'_>)> {
        let mut queue = self.incoming.0.borrow_mut();
        let packet = queue.waiting.pop_front();
        if packet.is_none() {
            queue.receiver = Some(context.waker().clone());
        }
        Some((Received(packet?), Sending(&self.outgoing)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Sending<'_>> {
        Some(Sending(&self.outgoing))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

/// A packet that came.
pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

/// A packet that goes.
pub(crate) struct Sending<'a>(&'a Queue);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        let mut queue = self.0.0.borrow_mut();
        queue.waiting.push_back(packet);
        if let Some(waker) = queue.receiver.take() {
            waker.wake();
        }
        result
    }
}
