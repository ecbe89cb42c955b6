//! The listener of `echo_smoltcp.rs` behind one end of a socket pair, and a socket of smoltcp
//! without any code of ours at the other end.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant as Clock};

use linecho_devices::FramedStream;
use linecho_smoltcp::smoltcp::iface::{Config, Interface, SocketSet};
use linecho_smoltcp::smoltcp::socket::tcp::{Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::time::Instant;
use linecho_smoltcp::smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

#[path = "../../examples/echo_smoltcp.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod echo_smoltcp;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn talk_to_a_plain_socket() {
    let (left, right) = UnixStream::pair().expect("there are file descriptors");
    let mut server = Host::new(left, 1);
    let mut listener = echo_smoltcp::listener(&mut server.sockets).expect("the port is fine");

    let mut client = Host::new(right, 2);
    let buffer = || SocketBuffer::new(vec![0; 1000]);
    let handle = client.sockets.add(Socket::new(buffer(), buffer()));
    let tcp = client.sockets.get_mut::<Socket<'_>>(handle);
    let remote = (address(1), 7);
    tcp.connect(client.iface.context(), remote, 49_152)
        .expect("it has an address");

    // Lines of many lengths, the last without an end.
    let text: Vec<u8> = (0..200)
        .flat_map(|len| [&[b'x'; 200][..len], b"\n"].concat())
        .collect();
    let text = [&text, &b"rest"[..]].concat();
    let (mut sent, mut back) = (0, Vec::new());
    let started = Clock::now();
    loop {
        let now = started.elapsed();
        let ours = linecho_smoltcp::Instant::ZERO + now;
        let Host {
            device,
            iface,
            sockets,
        } = &mut server;
        listener.poll(ours, iface, device, sockets, |_| {});

        let now = Instant::from_micros(i64::try_from(now.as_micros()).expect("it is short"));
        client
            .iface
            .poll(now, &mut client.device, &mut client.sockets);
        let tcp = client.sockets.get_mut::<Socket<'_>>(handle);
        if tcp.can_send() {
            sent += tcp.send_slice(&text[sent..]).expect("it is open");
            if sent == text.len() {
                tcp.close();
            }
        }
        if tcp.can_recv() {
            tcp.recv(|bytes| (bytes.len(), back.extend_from_slice(bytes)))
                .expect("it is open");
        }
        if back.len() == text.len() && !tcp.may_recv() {
            break;
        }
        assert!(
            started.elapsed() < LIMIT,
            "{} of {} bytes",
            back.len(),
            text.len()
        );
    }
    assert_eq!(back, text);
}

struct Host {
    device: FramedStream,
    iface: Interface,
    sockets: SocketSet<'static>,
}

impl Host {
    fn new(stream: UnixStream, number: u8) -> Self {
        let mut device = FramedStream::new(stream, 1500).expect("it is a socket");
        let hardware = EthernetAddress([2, 0, 0, 0, 0, number]);
        let mut iface = Interface::new(Config::new(hardware.into()), &mut device, Instant::ZERO);
        iface.update_ip_addrs(|own| {
            let _ = own.push(IpCidr::new(address(number), 24));
        });
        Self {
            device,
            iface,
            sockets: SocketSet::new(Vec::new()),
        }
    }
}

fn address(number: u8) -> IpAddress {
    IpAddress::v4(192, 168, 69, number)
}
