//! echo-server together with programs that the machine may lack.

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::mpsc::{self, Receiver};
    use std::thread;
    use std::time::{Duration, Instant};

    use linecho_std::{Listener, Server};
    use linecho_trials::process::{PATIENCE, Running, listening_addresses};
    use linecho_trials::{Stop, conclude, trials};
    use socket2::{Domain, Protocol, SockRef, Socket, Type};

    const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-server");

    pub(crate) fn main() -> ExitCode {
        conclude(trials![
            accept_that_always_fails_is_not_called_without_a_pause,
            mptcp_sockets_are_served,
            systemd_socket_activate_starts_it,
            the_units_are_valid,
            curl_and_a_parser_read_the_administration,
            the_deployment_is_valid,
            the_image_serves_as_nobody,
            haproxy_names_the_peer,
            a_rolling_restart_behind_haproxy_loses_nothing,
            a_rolling_restart_behind_nginx_loses_nothing,
        ])
    }

    /// Returns the program's path, unless the machine lacks it.
    fn installed(program: &str, package: &str) -> Result<PathBuf, Stop> {
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
            .map(|folder| Path::new(folder).join(program))
            .into_iter()
            .find(|path| path.exists())
            .ok_or_else(|| Stop::no_program(program, package))
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let begin = Instant::now();
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
            }
            thread::yield_now();
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn echo(stream: &mut TcpStream, line: &[u8]) {
        stream.write_all(line).unwrap();
        let mut echo = vec![0; line.len()];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, line);
    }

    /// The lines of stderr, as they come.
    fn log(process: &mut Running) -> Receiver<String> {
        let (sender, lines) = mpsc::channel();
        let log = BufReader::new(process.0.stderr.take().unwrap());
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Who has seen enough listens no more.
                let _ = sender.send(line);
            }
        });
        lines
    }

    fn line(log: &Receiver<String>, part: &str) -> String {
        loop {
            let line = log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} in the log"));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn start(command: &mut Command) -> Running {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// A port that was free just now.
    fn free_port() -> u16 {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    }

    fn accept_that_always_fails_is_not_called_without_a_pause() -> Result<(), Stop> {
        let strace = installed("strace", "strace")?;
        // Enough for some pauses, which are 0.35 s together.
        const FAILURES: u32 = 70;
        for error in [
            "EINTR",
            "ECONNABORTED",
            "ENETDOWN",
            "EHOSTUNREACH",
            "ENETUNREACH",
        ] {
            let inject = format!("inject=accept4:error={error}:when=1..{FAILURES}");
            let mut command = Command::new(&strace);
            command.args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=accept4",
                "-e",
                &inject,
            ]);
            command
                .args([PROGRAM, "--listen", "127.0.0.1:0", "--workers", "1"])
                .env_clear();
            let mut server = start(&mut command);
            let log = log(&mut server);
            let address = match listening_addresses(&mut server.0, 1) {
                Ok(addresses) => addresses[0],
                Err(_) => {
                    let why = log.recv().unwrap_or_default();
                    let enable = "sysctl kernel.yama.ptrace_scope=0".into();
                    return Err(Stop::Skipped { why, enable });
                }
            };
            let mut peer = connect(address);
            let pause = line(&log, "cannot accept");
            assert!(pause.contains(&address.to_string()), "{pause}");
            echo(&mut peer, b"served in the end\n");
            // The tracer does not end its child when it is killed.
            let pid = server.0.id().to_string();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            for child in children.split_whitespace() {
                let pid = nix::unistd::Pid::from_raw(child.parse().unwrap());
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            }
            server.0.wait().unwrap();
        }
        Ok(())
    }

    /// A program under `mptcpize run` gets such sockets. They refuse `SO_OOBINLINE`.
    fn mptcp_sockets_are_served() -> Result<(), Stop> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP));
        let socket = socket.map_err(|error| Stop::Skipped {
            why: format!("no MPTCP socket: {error}"),
            enable: "sysctl net.mptcp.enabled=1".into(),
        })?;
        assert!(SockRef::from(&socket).set_out_of_band_inline(true).is_err());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(1).unwrap();
        let listener = Listener::from(TcpListener::from(socket));
        let server = Server::builder().on([listener]).unwrap();
        let (address, handle) = (server.addresses()[0], server.handle());
        let running = thread::spawn(|| server.run().unwrap());
        echo(&mut connect(address), b"served all the same\n");
        handle.shutdown();
        running.join().unwrap();
        Ok(())
    }

    fn systemd_socket_activate_starts_it() -> Result<(), Stop> {
        let activate = installed("systemd-socket-activate", "systemd")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new(activate);
        command.args(["-l", &address.to_string(), "--fdname", "web", PROGRAM, "-v"]);
        let mut server = start(&mut command);
        let log = log(&mut server);
        echo(&mut connect(address), b"hello\n");
        assert!(line(&log, "opened").contains("listener=web"));
        Ok(())
    }

    fn the_units_are_valid() -> Result<(), Stop> {
        let analyze = installed("systemd-analyze", "systemd")?;
        let folder = std::env::temp_dir().join(format!("linecho-units-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
        let mut units = Vec::new();
        for file in fs::read_dir(dist).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".service") && !name.ends_with(".socket") {
                continue;
            }
            // A program that is not there would be an error of its own.
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("/usr/local/bin/echo-server", PROGRAM);
            fs::write(folder.join(&name), &text).unwrap();
            // A template is checked by an instance of it.
            let instance = name.replace('@', "@1");
            fs::write(folder.join(&instance), text).unwrap();
            units.push(folder.join(instance));
        }
        assert_eq!(units.len(), 4, "{units:?}");
        let output = Command::new(analyze)
            .arg("verify")
            .args(&units)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        fs::remove_dir_all(folder).unwrap();
        assert!(output.status.success(), "{text}");
        // What it does not know is only a warning.
        assert!(!text.contains("linecho"), "{text}");
        Ok(())
    }

    /// Runs a program that must succeed.
    fn output(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Prints each sample that the parser of Prometheus finds.
    const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family
    for sample in family.samples:
        print(family.type, sample.name, *sample.labels.values(), sample.value)
";

    fn curl_and_a_parser_read_the_administration() -> Result<(), Stop> {
        let curl = installed("curl", "curl")?;
        let python = installed("python3", "python3")?;
        let import = ["-c", "import prometheus_client.openmetrics.parser"];
        let found = Command::new(&python)
            .args(import)
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            let package = "python3-prometheus-client";
            return Err(Stop::no_program("prometheus_client of Python", package));
        }
        let mut command = Command::new(PROGRAM);
        command.env_clear();
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--drain-delay",
            "1h",
        ]);
        let mut server = start(&mut command);
        let log = log(&mut server);
        let echo_address = listening_addresses(&mut server.0, 1).unwrap()[0];
        let admin = line(&log, "administration");
        let admin = admin.rsplit_once("address=").unwrap().1.to_owned();
        let mut peer = connect(echo_address);
        echo(&mut peer, b"one line\n");

        let ask = |path: &str, more: &[&str]| {
            let mut command = Command::new(&curl);
            command
                .args(["--silent", "--show-error", "--max-time", "60"])
                .args(more);
            output(command.arg(format!("http://{admin}{path}")))
        };
        let status = |path, more: &[&str]| {
            let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
            ask(path, &[&status, more].concat())
        };
        assert_eq!(ask("/healthz", &["--fail"]), "ok\n");
        assert_eq!(ask("/readyz", &["--fail"]), "ready\n");
        assert!(ask("/", &["--fail"]).contains("/metrics"));
        let head = ask("/metrics", &["--head"]);
        assert!(
            head.contains("Content-Type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        assert_eq!(status("/nothing", &[]), "404");
        assert_eq!(status("/healthz", &["--data", "x=y"]), "405");

        let begin = Instant::now();
        let samples = loop {
            let text = ask("/metrics", &["--fail"]);
            let mut parser = Command::new(&python);
            parser
                .args(["-c", PARSER])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut parser = parser.spawn().unwrap();
            parser
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let parsed = parser.wait_with_output().unwrap();
            assert!(parsed.status.success(), "{text}");
            let samples = String::from_utf8(parsed.stdout).unwrap();
            // What an open session did counts when its turn is over.
            if samples.contains("counter linecho_lines_total 1") {
                break samples;
            }
            assert!(begin.elapsed() < PATIENCE, "{samples}");
        };
        for sample in [
            "gauge linecho_connections 1",
            "gauge linecho_ready 1",
            "counter linecho_sessions_opened_total 1",
            "counter linecho_sessions_closed_total peer_closed 0",
            "counter linecho_received_bytes_total 9",
            "counter linecho_accept_pauses_total max_connections 0",
            "counter linecho_dropped_log_lines_total 0",
        ] {
            assert!(samples.lines().any(|line| line == sample), "{samples}");
        }

        let pid = nix::unistd::Pid::from_raw(server.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        line(&log, "about to shut down");
        let begin = Instant::now();
        while status("/readyz", &[]) != "503" {
            assert!(begin.elapsed() < PATIENCE);
        }
        assert_eq!(status("/healthz", &[]), "200");
        Ok(())
    }

    /// With the schemas of Kubernetes, and no field that they do not know.
    fn the_deployment_is_valid() -> Result<(), Stop> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let validate = workspace.join("target/kubernetes/bin/kubernetes-validate");
        if !validate.exists() {
            return Err(Stop::Skipped {
                why: "there is no program `kubernetes-validate`".into(),
                enable: "python3 -m venv target/kubernetes && target/kubernetes/bin/pip install \
                         kubernetes-validate==1.37.0"
                    .into(),
            });
        }
        let valid = workspace.join("dist/kubernetes.yaml");
        let check = |path: &Path| Command::new(&validate).arg("--strict").arg(path).output();
        let found = check(&valid).unwrap();
        assert!(found.status.success(), "{found:?}");
        // It would find a fault.
        let text = fs::read_to_string(&valid).unwrap();
        let path = std::env::temp_dir().join(format!("linecho-{}.yaml", std::process::id()));
        fs::write(&path, text.replacen("readinessProbe", "readynessProbe", 1)).unwrap();
        let found = check(&path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(!found.status.success(), "{found:?}");
        Ok(())
    }

    /// The image that dist/Containerfile says: both programs and nothing else, for a user who has
    /// no rights. They run in its root.
    fn the_image_serves_as_nobody() -> Result<(), Stop> {
        let buildah = installed("buildah", "buildah")?;
        let chroot = installed("chroot", "coreutils")?;
        if !nix::unistd::Uid::effective().is_root() {
            return Err(Stop::Skipped {
                why: "chroot(1) takes root".into(),
                enable: "run the test as root".into(),
            });
        }
        let target = match cfg!(target_arch = "x86_64") {
            true => "x86_64-unknown-linux-gnu",
            false => return Err(Stop::NotApplicable("the image is for x86-64".into())),
        };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        // In a folder of its own, since the flags would have everything built again.
        let folder = workspace.join("target/static");
        let mut build = Command::new(env!("CARGO"));
        build
            .current_dir(&workspace)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .args(["build", "--quiet", "--bins", "-p", "linecho-examples"])
            .args(["-p", "linecho-examples-client"])
            .args(["--target", target, "--target-dir"])
            .arg(&folder);
        assert!(build.status().unwrap().success(), "{build:?}");

        let store = std::env::temp_dir().join(format!("linecho-image-{}", std::process::id()));
        let image = |arguments: &[&str]| {
            let mut command = Command::new(&buildah);
            command
                .args(["--storage-driver", "vfs", "--root"])
                .arg(store.join("root"))
                .arg("--runroot")
                .arg(store.join("run"))
                .args(arguments);
            output(&mut command)
        };
        let recipe = workspace.join("dist/Containerfile");
        let programs = folder.join(target).join("debug");
        image(&[
            "build",
            "--isolation=chroot",
            "--build-arg=target=.",
            "--tag=linecho",
            "--file",
            recipe.to_str().unwrap(),
            programs.to_str().unwrap(),
        ]);
        let config = "{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}";
        let config = image(&["inspect", "--type=image", "--format", config, "linecho"]);
        assert_eq!(config.trim(), "65532:65532 [/echo-server]");
        image(&["from", "--name=it", "linecho"]);
        let root = PathBuf::from(image(&["mount", "it"]).trim());
        let inside = |program: &str| {
            let mut command = Command::new(&chroot);
            command
                .env_clear()
                .args(["--userspec=65532:65532", "--groups="])
                .arg(&root);
            command.arg(program);
            command
        };
        let port = free_port().to_string();
        let mut server = start(inside("/echo-server").args(["--listen", &format!(":{port}")]));
        let log = log(&mut server);
        let addresses = listening_addresses(&mut server.0, 1).unwrap();
        echo(
            &mut connect(SocketAddr::from(([127, 0, 0, 1], addresses[0].port()))),
            b"x\n",
        );
        // The startup probe of dist/kubernetes.yaml.
        let probe = ["wait", "--for", "60s", &format!("localhost:{port}")];
        output(inside("/echo-client").args(probe));
        let id = server.0.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        assert!(
            status.contains("Uid:\t65532\t65532\t65532\t65532\n"),
            "{status}"
        );
        let pid = nix::unistd::Pid::from_raw(id.cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        line(&log, "stopped");
        assert!(server.0.wait().unwrap().success());
        // A user without rights may not have each port, and is told what to do.
        let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
        if first.trim().parse::<u16>().unwrap() > 7 {
            let refused = inside("/echo-server")
                .args(["--listen", "127.0.0.1:7"])
                .output();
            let refused = refused.unwrap();
            let text = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(1), "{text}");
            for way in [
                "dist/linecho.socket",
                "setcap",
                "ip_unprivileged_port_start=7",
            ] {
                assert!(text.contains(way), "{text}");
            }
        }
        fs::remove_dir_all(store).unwrap();
        Ok(())
    }

    fn haproxy_names_the_peer() -> Result<(), Stop> {
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

    fn a_rolling_restart_behind_haproxy_loses_nothing() -> Result<(), Stop> {
        let haproxy = installed("haproxy", "haproxy")?;
        rolling_restart("haproxy.cfg", |config| {
            let mut command = Command::new(&haproxy);
            start(command.args(["-q", "-db", "-f"]).arg(config))
        });
        Ok(())
    }

    fn a_rolling_restart_behind_nginx_loses_nothing() -> Result<(), Stop> {
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
                let pid = nix::unistd::Pid::from_raw(servers[which].0.id().cast_signed());
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
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
        let pid = nix::unistd::Pid::from_raw(relay.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
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
}
