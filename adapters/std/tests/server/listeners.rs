//! Listeners: their names, their addresses, UNIX sockets, and pauses in accepting.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::running::{Event, Listening, connect, echo};
use linecho_std::{Listener, ListenerInfo, Server, listen};
use socket2::SockRef;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_listener_has_its_name_or_its_address() {
    let (first, second) = (listen(any()).unwrap(), listen(any()).unwrap());
    let addresses = [&first, &second].map(|it| it.local_addr().unwrap());
    let listeners = [Listener::from(first).name("web"), second.into()];
    let server = Server::builder().on(listeners).unwrap();
    assert_eq!(server.addresses(), addresses);
    let names: Vec<_> = server.listeners().iter().map(ListenerInfo::name).collect();
    assert_eq!(names, ["web", &addresses[1].to_string()]);
    let shown = server.listeners()[0].to_string();
    assert_eq!(shown, format!("{} (web)", addresses[0]));
}

#[test]
fn the_observer_sees_the_listener_and_the_own_address_behind_a_wildcard() {
    let socket = listen("0.0.0.0:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let listener = Listener::from(socket).name("everywhere");
    let server = Listening::on(Server::builder(), listener).start();
    let mut peer = connect(([127, 0, 0, 2], port).into());
    echo(&mut peer, b"hello\n");
    let Event::Opened(ends, _) = server.event() else {
        panic!("not opened first");
    };
    assert_eq!(ends.local, format!("127.0.0.2:{port}"));
    assert_eq!(ends.peer, peer.local_addr().unwrap().to_string());
    assert_eq!(ends.listener, "everywhere");
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    // Also when the connection is gone.
    loop {
        if let Event::Closed(closed, _) = server.event() {
            return assert_eq!(closed, ends);
        }
    }
}

/// The options are those of the listener on Linux, see its unit tests, and are read here where the
/// server set them. On Windows they cannot be read.
#[cfg(unix)]
#[test]
fn keep_alive_is_an_option() {
    let options = |builder: linecho_std::Builder| {
        let socket = listen(any()).unwrap();
        let kept = socket.try_clone().unwrap();
        let _server = builder.on([socket]).unwrap();
        let kept = SockRef::from(&kept);
        kept.keepalive().unwrap().then(|| {
            let times = [kept.tcp_keepalive_time(), kept.tcp_keepalive_interval()];
            times.map(|it| it.unwrap().as_secs())
        })
    };
    let keep_alive = |silence| options(Server::builder().keep_alive(silence));
    assert_eq!(options(Server::builder()), Some([60, 10]));
    assert_eq!(keep_alive(Some(Duration::from_secs(25))), Some([25, 4]));
    assert_eq!(keep_alive(Some(Duration::from_millis(1))), Some([1, 1]));
    assert_eq!(keep_alive(Some(Duration::MAX)), Some([32_767, 32_767]));
    assert_eq!(keep_alive(Some(Duration::ZERO)), None);
    assert_eq!(keep_alive(None), None);
}

#[cfg(unix)]
mod unix {
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;

    use crate::running::{PATIENCE, Running};
    use linecho_std::{Reason, listen_unix};

    use super::*;

    /// A path for a socket, which is removed in the end.
    struct Path(PathBuf);

    impl Path {
        fn new(name: &str) -> Self {
            let name = format!("linecho-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn connect(&self) -> UnixStream {
            let stream = UnixStream::connect(&self.0).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        }
    }

    impl Drop for Path {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn start(path: &Path, builder: linecho_std::Builder) -> Running {
        Listening::on(builder, UnixListener::bind(&path.0).unwrap()).start()
    }

    #[test]
    fn a_unix_socket_is_served_like_any_other() {
        let path = Path::new("served");
        let server = start(&path, Server::builder().workers(2).max_line(4096));
        let text = format!("unix:{}", path.0.display());
        for _ in 0..4 {
            let mut peer = path.connect();
            let mut writer = peer.try_clone().unwrap();
            let lines = b"one line of many\n".repeat(10_000);
            let sent = lines.clone();
            let writer = std::thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.write_all(b"and a rest").unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut echo = Vec::new();
            peer.read_to_end(&mut echo).unwrap();
            writer.join().unwrap();
            assert!(echo == [&lines[..], b"and a rest"].concat());
            loop {
                if let Event::Closed(ends, end) = server.event() {
                    assert_eq!(
                        (&*ends.peer, ends.local, ends.listener),
                        ("unix", text.clone(), text.clone())
                    );
                    break assert_eq!(end.reason, Reason::PeerClosed);
                }
            }
        }
    }

    #[test]
    fn a_shutdown_gives_a_unix_peer_what_it_sent() {
        let path = Path::new("shutdown");
        let server = start(&path, Server::builder());
        let mut peer = path.connect();
        peer.write_all(b"a line\nand a rest").unwrap();
        server.handle.shutdown();
        let mut echo = String::new();
        peer.read_to_string(&mut echo).unwrap();
        assert_eq!(echo, "a line\nand a rest");
        drop(peer);
        assert_eq!(server.join().unfinished.connections, 0);
    }

    #[test]
    fn a_path_that_a_dead_process_left_is_taken_and_no_other() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = Path::new("stale");
        drop(UnixListener::bind(&path.0).unwrap());
        let listener = listen_unix(&path.0, Some(0o620)).unwrap();
        let mode = std::fs::metadata(&path.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        let error = listen_unix(&path.0, None).unwrap_err();
        assert_eq!(error.error.kind(), std::io::ErrorKind::AddrInUse);
        assert!(
            error.to_string().contains(path.0.to_str().unwrap()),
            "{error}"
        );
        drop(listener);
        std::fs::remove_file(&path.0).unwrap();
        std::fs::write(&path.0, "a file of somebody").unwrap();
        listen_unix(&path.0, None).unwrap_err();
        assert_eq!(std::fs::read(&path.0).unwrap(), b"a file of somebody");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_abstract_name_is_no_file() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::SocketAddr;
        let name = format!("linecho-{}", std::process::id());
        let listener = listen_unix(format!("@{name}").as_ref(), Some(0o600)).unwrap();
        let server = Listening::on(Server::builder(), listener).start();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let mut peer = UnixStream::connect_addr(&address).unwrap();
        peer.write_all(b"x\n").unwrap();
        peer.read_exact(&mut [0; 2]).unwrap();
        let Event::Opened(ends, _) = server.event() else {
            panic!("not opened first");
        };
        assert_eq!(ends.local, format!("unix:@{name}"));
    }

    #[test]
    fn a_peer_limit_does_not_count_unix_peers() {
        let path = Path::new("limit");
        let _server = start(&path, Server::builder().max_per_peer(1));
        let mut peers = [path.connect(), path.connect(), path.connect()];
        for peer in &mut peers {
            peer.write_all(b"x\n").unwrap();
            peer.read_exact(&mut [0; 2]).unwrap();
        }
    }
}

/// It is the same socket, whoever holds another descriptor of it.
#[test]
fn a_listening_socket_may_be_shared() {
    let socket = TcpListener::bind(any()).unwrap();
    let address = socket.local_addr().unwrap();
    let _server = Listening::on(Server::builder(), socket.try_clone().unwrap()).start();
    echo(&mut connect(address), b"hello\n");
}
