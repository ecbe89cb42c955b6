//! Enters a namespace in both ways, and lets programs in it talk to an echo behind a TAP device.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::error::Error;
    use std::io::{Read, Write};
    use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
    use std::process::{Command, ExitCode};
    use std::time::{Duration, Instant as Clock};

    use linecho_devices::netns;
    use linecho_devices::{Interest, Tap, wait};
    use smoltcp::iface::{Config, Interface, SocketSet};
    use smoltcp::socket::tcp;
    use smoltcp::time::Instant;
    use smoltcp::wire::{EthernetAddress, IpCidr};

    const PORT: u16 = 7;
    const LIMIT: Duration = Duration::from_secs(30);
    const SERVER: [&str; 2] = ["192.168.69.1", "fdaa::1"];
    const KERNEL: [(&str, u8); 2] = [("192.168.69.100", 24), ("fdaa::100", 64)];

    type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

    /// Each part is a process of its own, since nobody can leave a namespace.
    pub(super) fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().collect();
        let result = match arguments.get(1).map(String::as_str) {
            Some("inside") => netns::enter().map_err(Into::into).and_then(|()| inside()),
            Some("inside-as-user") => netns::enter_as_user()
                .map_err(Into::into)
                .and_then(|()| inside()),
            Some("client") => client(&arguments[2]),
            _ => return run_all(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn run_all() -> ExitCode {
        let must_run = env::var_os("LINECHO_REQUIRE_ALL").is_some_and(|value| value == "1");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for part in ["inside", "inside-as-user"] {
            let output = start(&[part])
                .output()
                .expect("this program can be started");
            let stderr = String::from_utf8_lossy(&output.stderr);
            let is_forbidden = stderr.contains("cannot make") || stderr.contains("/dev/net/tun");
            if output.status.success() {
                println!("test {part} ... ok");
                passed += 1;
            } else if is_forbidden && !must_run {
                eprintln!("SKIPPED: {part}: {stderr}");
                skipped += 1;
            } else {
                println!("test {part} ... FAILED\n{stderr}");
                failed += 1;
            }
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn start(arguments: &[&str]) -> Command {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(arguments);
        command
    }

    /// Serves a client in a process of its own for each address.
    fn inside() -> Result {
        let mut tap = Tap::open("tap0")?;
        let kernel = KERNEL.map(|(address, prefix)| address.parse().map(|ip| (ip, prefix)));
        let kernel = kernel
            .into_iter()
            .collect::<std::result::Result<Vec<(IpAddr, u8)>, _>>()?;
        netns::configure("tap0", &kernel)?;
        for server in SERVER {
            serve(&mut tap, server)?;
        }
        Ok(())
    }

    fn serve(tap: &mut Tap, address: &str) -> Result {
        let start_of_time = Clock::now();
        let now = || Instant::from_micros(start_of_time.elapsed().as_micros() as i64);
        let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
        let mut iface = Interface::new(config, tap, now());
        let address: IpAddr = address.parse()?;
        let mut is_full = false;
        iface.update_ip_addrs(|addresses| {
            is_full = addresses.push(IpCidr::new(address.into(), 24)).is_err();
        });
        assert!(!is_full);

        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
        sockets.get_mut::<tcp::Socket>(handle).listen(PORT)?;

        let mut client = start(&["client", &address.to_string()]).spawn()?;
        loop {
            if let Some(status) = client.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err("the client failed".into())
                };
            }
            if start_of_time.elapsed() > LIMIT {
                client.kill()?;
                return Err("the client takes too long".into());
            }
            wait([Interest::read(tap)], Some(Duration::from_millis(5)))?;
            iface.poll(now(), tap, &mut sockets);
            let socket = sockets.get_mut::<tcp::Socket>(handle);
            if socket.can_recv() {
                let mut bytes = [0; 1024];
                let len = socket.recv_slice(&mut bytes)?;
                socket.send_slice(&bytes[..len])?;
            } else if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
            iface.poll(now(), tap, &mut sockets);
        }
    }

    /// Speaks through the kernel, and can be root only in the namespace.
    fn client(server: &str) -> Result {
        let server = SocketAddr::new(server.parse()?, PORT);
        let mut stream = TcpStream::connect_timeout(&server, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"hello\n")?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if answer == b"hello\n" {
            Ok(())
        } else {
            Err(format!("got {answer:?}").into())
        }
    }
}
