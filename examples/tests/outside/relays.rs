//! Servers behind load balancers.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, Running, listening_addresses};

use crate::kit::{PROGRAM, connect, echo, free_port, installed, line, log, start, terminate};

pub(crate) fn haproxy_names_the_peer() -> Result<(), Stop> {
    let haproxy = installed("haproxy", "haproxy")?;
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .args(["--proxy-listen", "127.0.0.1:0", "-v"]);
    let mut server = start(&mut command);
    let log = log(&mut server);
    let back = listening_addresses(&mut server.0, 1).unwrap()[0];
    for version in ["send-proxy", "send-proxy-v2"] {
        let front = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let path = std::env::temp_dir().join(format!("linecho-{}.cfg", std::process::id()));
        let config = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen echo\n bind {front}\n option tcp-check\n tcp-check send \"check\\n\"\n \
             tcp-check expect string \"check\"\n server a {back} {version} check inter 200ms\n"
        );
        fs::write(&path, config).unwrap();
        let mut command = Command::new(&haproxy);
        let _haproxy = start(command.args(["-q", "-db", "-f"]).arg(&path));
        let mut peer = connect(front);
        let own = peer.local_addr().unwrap();
        echo(&mut peer, b"through a relay\n");
        line(&log, &format!("opened peer={own} "));
        // Its checks speak for the relay itself, and are told from clients.
        let check = line(&log, "bytes_in=6");
        assert!(
            check.contains("reason=reset") || check.contains("peer closed"),
            "{check}"
        );
        drop(peer);
        let closed = line(&log, &format!("closed peer={own} "));
        assert!(closed.contains(&format!("local={back}")), "{closed}");
        fs::remove_file(path).unwrap();
    }
    Ok(())
}

pub(crate) fn a_rolling_restart_behind_haproxy_loses_nothing() -> Result<(), Stop> {
    let haproxy = installed("haproxy", "haproxy")?;
    rolling_restart("haproxy.cfg", |config| {
        let mut command = Command::new(&haproxy);
        start(command.args(["-q", "-db", "-f"]).arg(config))
    });
    Ok(())
}

pub(crate) fn a_rolling_restart_behind_nginx_loses_nothing() -> Result<(), Stop> {
    let nginx = installed("nginx", "nginx")?;
    if !Path::new("/usr/lib/nginx/modules/ngx_stream_module.so").exists() {
        return Err(Stop::no_program(
            "nginx with streams",
            "libnginx-mod-stream",
        ));
    }
    rolling_restart("nginx.conf", |config| {
        let mut command = Command::new(&nginx);
        start(command.arg("-c").arg(config))
    });
    Ok(())
}

/// The lines per second of each client.
const RATE: u32 = 20;

/// The observations of the clients.
#[derive(Debug, Default)]
struct Seen {
    echoed: u64,
    /// Lines that were asked for again, since their connection had ended in order before they
    /// came back.
    asked_again: u64,
    /// Resets with a line in flight, which tell as much.
    resets: u64,
    /// The longest wait for a line, from its first attempt on.
    longest: Duration,
}

/// Starts both servers behind a relay, and restarts one after the other, twice, under load.
fn rolling_restart(config: &str, relay: impl Fn(&Path) -> Running) {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("balanced")
        .join(config);
    let mut text = fs::read_to_string(file).unwrap();
    for (written, port) in ["18080", "18081", "18082"].into_iter().zip(&ports) {
        text = text.replace(&format!(":{written}"), &format!(":{port}"));
    }
    let pid = format!("linecho-nginx-{}.pid", std::process::id());
    text = text.replace("linecho-nginx.pid", &pid);
    let path = std::env::temp_dir().join(format!("linecho-{}-{config}", std::process::id()));
    fs::write(&path, text).unwrap();

    let server = |port: &u16| {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .args(["--proxy-listen", &format!("127.0.0.1:{port}")]);
        let mut server = start(&mut command);
        listening_addresses(&mut server.0, 1).unwrap();
        server
    };
    let mut servers: Vec<_> = ports[1..].iter().map(server).collect();
    let mut relay = relay(&path);
    // It would wait for ever once nobody reads its errors.
    let _errors = log(&mut relay);
    let front = SocketAddr::from(([127, 0, 0, 1], ports[0]));
    echo(&mut connect(front), b"it is there\n");

    // The time between two restarts.
    let (clients, pause) = match std::env::var_os("LINECHO_FULL") {
        Some(_) => (200, Duration::from_secs(12)),
        None => (40, Duration::from_millis(1500)),
    };
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let client = |number| {
            scope.spawn({
                let done = &done;
                move || client(front, number, done)
            })
        };
        let clients: Vec<_> = (0..clients).map(client).collect();
        for round in 0..4 {
            thread::sleep(pause);
            let which = round % 2;
            terminate(&servers[which]);
            let status = servers[which].0.wait().unwrap();
            assert!(status.success(), "a stop that cut something: {status}");
            servers[which] = server(&ports[1 + which]);
        }
        thread::sleep(pause);
        done.store(true, SeqCst);
        clients
            .into_iter()
            .map(|it| it.join().unwrap())
            .collect::<Vec<_>>()
    });
    let mut sum = Seen::default();
    for seen in seen {
        sum.echoed += seen.echoed;
        sum.asked_again += seen.asked_again;
        sum.resets += seen.resets;
        sum.longest = sum.longest.max(seen.longest);
    }
    println!("{config}: {sum:?}");
    assert!(sum.echoed > 1000, "{sum:?}");
    terminate(&relay);
    let _ = relay.0.wait();
    fs::remove_file(path).unwrap();
}

/// Sends lines and checks that each comes back, on as many connections as that takes. Fails if
/// a connection is reset that has nothing in flight, or a line comes back wrong.
fn client(front: SocketAddr, number: usize, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut connection: Option<TcpStream> = None;
    for count in 0.. {
        if done.load(SeqCst) {
            return seen;
        }
        thread::sleep(Duration::from_secs(1) / RATE);
        let begin = Instant::now();
        let line = format!("client {number} line {count}\n");
        loop {
            // Nothing is in flight here: its end must be in order.
            if let Some(stream) = &connection {
                stream.set_nonblocking(true).unwrap();
                match stream.peek(&mut [0]) {
                    Ok(0) => connection = None,
                    Ok(_) => panic!("an echo of nothing"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("client {number}: {error} with nothing in flight"),
                }
            }
            let mut stream = connection.take().unwrap_or_else(|| connect(front));
            stream.set_nonblocking(false).unwrap();
            let mut echo = vec![0; line.len()];
            match stream
                .write_all(line.as_bytes())
                .and_then(|()| stream.read_exact(&mut echo))
            {
                Ok(()) => {
                    assert_eq!(echo, line.as_bytes());
                    connection = Some(stream);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => seen.asked_again += 1,
                Err(error)
                    if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe]
                        .contains(&error.kind()) =>
                {
                    seen.resets += 1;
                }
                Err(error) => panic!("client {number}: {error}"),
            }
            assert!(begin.elapsed() < PATIENCE, "client {number} waits for ever");
        }
        seen.echoed += 1;
        seen.longest = seen.longest.max(begin.elapsed());
    }
    seen
}
