//! A line echo on a smoltcp stack, and a client beside it: `cargo run --example echo_smoltcp`.
use linecho_smoltcp::smoltcp::iface::{self, Interface, SocketSet};
use linecho_smoltcp::smoltcp::phy::{Loopback, Medium};
use linecho_smoltcp::smoltcp::socket::tcp::{ListenError, Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use linecho_smoltcp::{Client, ClientTurn, Config, Instant, Listener, stack_time};

/// Makes an echo for four connections on port 7, with lines of up to 256 bytes.
pub fn listener(sockets: &mut SocketSet<'_>) -> Result<Listener<'static, 4>, ListenError> {
    let lines = Box::leak(Box::new([[0; 256]; 4]));
    Listener::new(7, Config::new(), sockets, (0..4).map(|_| socket()), lines)
}

fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; 2048]);
    Socket::new(buffer(), buffer())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut device, own) = (Loopback::new(Medium::Ip), IpAddress::v4(127, 0, 0, 1));
    let config = iface::Config::new(HardwareAddress::Ip);
    let mut iface = Interface::new(config, &mut device, stack_time(Instant::ZERO));
    iface.update_ip_addrs(|addresses| _ = addresses.push(IpCidr::new(own, 8)));
    let mut sockets = SocketSet::new(Vec::new());
    let mut listener = listener(&mut sockets)?;
    let handle = sockets.add(socket());
    let (tcp, server) = (sockets.get_mut(handle), (own, 7));
    let mut client = Client::<_, 1>::connect([0; 64], tcp, iface.context(), server, 49_152)?;
    client.probe().queue(b"hello\n")?;
    let epoch = std::time::Instant::now();
    let mut turn = ClientTurn::Wait;
    while turn != ClientTurn::Done {
        let now = Instant::ZERO + epoch.elapsed();
        let log = |event| println!("{event}");
        listener.poll(now, &mut iface, &mut device, &mut sockets, log);
        let print = |round_trip| println!("hello: {round_trip:?}");
        turn = client.turn(now, sockets.get_mut(handle), print)?;
    }
    Ok(())
}
