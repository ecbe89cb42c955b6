//! Programs in a namespace, which talk to a stack behind a TAP device.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command};
use std::time::Duration;

use linecho_devices::testing::echo::{PORT, Stack, echo, wall_clock};
use linecho_devices::{Interest, Tap, netns, wait};
use linecho_trials::Stop;
use smoltcp::time::Instant;

const STACK: [&str; 2] = ["192.168.69.1", "fdaa::1"];
const KERNEL: [(&str, u8); 2] = [("192.168.69.100", 24), ("fdaa::100", 64)];

/// A client on the kernel's TCP, in a program of its own.
const CLIENT: &str = "import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as s:
    s.sendall(b'hello\\n')
    s.shutdown(socket.SHUT_WR)
    answer = b''.join(iter(lambda: s.recv(99), b''))
sys.exit(answer != b'hello\\n')";

pub(crate) fn programs_in_it_reach_a_stack() -> Result<(), Stop> {
    let mut tap = Tap::open("tap0").unwrap();
    let address = |address: &str| -> IpAddr { address.parse().unwrap() };
    let kernel = KERNEL.map(|(own, prefix)| (address(own), prefix));
    netns::configure("tap0", &kernel).unwrap();
    for server in STACK {
        let mut stack = Stack::new(&mut tap, 1, Instant::ZERO);
        stack.socket().listen(PORT).unwrap();
        serve(&mut tap, &mut stack, client(address(server))?);
    }
    Ok(())
}

/// A user who is not root is one in there.
pub(crate) fn a_user_can_enter_one() -> Result<(), Stop> {
    netns::enter_as_user().map_err(|error| Stop::lacking(&error.to_string()))?;
    programs_in_it_reach_a_stack()
}

fn client(server: IpAddr) -> Result<Child, Stop> {
    let server = SocketAddr::new(server, PORT);
    let client = Command::new("python3")
        .args([
            "-c",
            CLIENT,
            &server.ip().to_string(),
            &server.port().to_string(),
        ])
        .spawn();
    client.map_err(|_| Stop::no_program("python3", "python3"))
}

fn serve(tap: &mut Tap, stack: &mut Stack, mut client: Child) {
    let now = wall_clock();
    let status = loop {
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
        wait([Interest::read(tap)], Some(Duration::from_millis(5))).unwrap();
        stack.turn(now(), tap, echo);
    };
    assert!(status.success(), "{status}");
}
