//! Serves a web page behind a TAP device, in a network namespace of its own: any user may run it.
use std::{error::Error, io::Read, net::TcpStream, thread, time::Duration};

use linecho_devices::{Interest, Tap, netns, wait};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

fn main() -> Result<(), Box<dyn Error>> {
    netns::enter()?;
    let mut tap = Tap::open("tap0")?;
    netns::configure("tap0", &[("192.168.69.100".parse()?, 24)])?;
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    let mut iface = Interface::new(config, &mut tap, Instant::now());
    let own = IpCidr::new(IpAddress::v4(192, 168, 69, 1), 24);
    iface.update_ip_addrs(|addresses| _ = addresses.push(own));
    let mut sockets = SocketSet::new(Vec::new());
    let buffer = || SocketBuffer::new(vec![0; 4096]);
    let handle = sockets.add(Socket::new(buffer(), buffer()));
    sockets.get_mut::<Socket>(handle).listen(80)?;

    // The browser is a socket of the kernel, in the same namespace as the thread that starts it.
    let browser = thread::spawn(|| {
        let mut page = String::new();
        let read = TcpStream::connect("192.168.69.1:80")?.read_to_string(&mut page);
        read.map(|_| page)
    });
    while !browser.is_finished() {
        iface.poll(Instant::now(), &mut tap, &mut sockets);
        let socket = sockets.get_mut::<Socket>(handle);
        if socket.may_send() {
            socket.send_slice(b"HTTP/1.0 200 OK\r\n\r\nhello from smoltcp\n")?;
            socket.close();
        }
        wait([Interest::read(&tap)], Some(Duration::from_millis(5)))?;
    }
    print!("{}", browser.join().expect("the browser did not panic")?);
    Ok(())
}
