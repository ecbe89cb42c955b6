//! The units of dist/ under a systemd of their own, which is process 1 of a PID namespace.

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use linecho_trials::process::{PATIENCE, Running};
    use linecho_trials::{Stop, conclude, trials};

    const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-server");

    pub(crate) fn main() -> ExitCode {
        conclude(trials![the_units_serve])
    }

    /// A systemd that is killed, with all that it has started, when this is dropped.
    struct Systemd {
        /// unshare(1).
        parent: Option<Running>,
        /// Its process ID out here.
        pid: String,
        folder: PathBuf,
        cgroup: PathBuf,
    }

    impl Systemd {
        fn boot(ports: [u16; 2]) -> Result<Self, Stop> {
            if !Path::new("/lib/systemd/systemd").exists() {
                return Err(Stop::no_program("systemd", "systemd"));
            }
            if !nix::unistd::Uid::effective().is_root() {
                return Err(Stop::skipped(
                    "a systemd of its own takes root",
                    "run the test as root",
                ));
            }
            let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
            let fields = mounts
                .lines()
                .map(|line| line.split(' ').collect::<Vec<_>>());
            let mut hierarchies = fields.filter(|it| it.get(2) == Some(&"cgroup2"));
            let hierarchy = hierarchies.next().ok_or_else(|| {
                Stop::skipped(
                    "no cgroup2 is mounted",
                    "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
                )
            })?[1];
            let name = format!("linecho-systemd-{}", std::process::id());
            let cgroup = Path::new(hierarchy).join(&name);
            fs::create_dir(&cgroup).map_err(|error| {
                Stop::skipped(
                    format!("no cgroup can be made in {hierarchy}: {error}"),
                    "mount it read-write (docker: --privileged)",
                )
            })?;
            let folder = std::env::temp_dir().join(name);
            write_units(&folder.join("units"), ports);
            fs::create_dir_all(folder.join("root")).unwrap();
            let mut systemd = Self {
                parent: None,
                pid: String::new(),
                folder,
                cgroup,
            };
            systemd.start()?;
            Ok(systemd)
        }

        fn start(&mut self) -> Result<(), Stop> {
            let console = self.folder.join("console");
            let output = fs::File::create(&console).unwrap();
            let script = "echo 0 >\"$0/cgroup.procs\" && exec unshare --mount --pid --fork \
                          --kill-child --cgroup --uts --ipc \"$@\"";
            let mut command = Command::new("sh");
            command.args(["-c", script]).arg(&self.cgroup);
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot.sh"));
            command
                .arg(self.folder.join("root"))
                .arg(self.folder.join("units"))
                .arg(PROGRAM);
            command
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output);
            let mut parent = Running(command.spawn().unwrap());
            let begin = Instant::now();
            loop {
                let id = parent.0.id();
                let path = format!("/proc/{id}/task/{id}/children");
                let children = fs::read_to_string(path).unwrap_or_default();
                self.pid = children.trim().into();
                let is_systemd = fs::read_to_string(format!("/proc/{}/comm", self.pid))
                    .is_ok_and(|name| name.trim() == "systemd");
                if is_systemd && self.systemctl(&["show-environment"]).is_ok() {
                    self.parent = Some(parent);
                    return Ok(());
                }
                let has_ended = parent.0.try_wait().unwrap().is_some();
                if has_ended || begin.elapsed() > PATIENCE {
                    let text = fs::read_to_string(&console).unwrap_or_default();
                    let why = format!("systemd does not start here: {text}");
                    return Err(Stop::skipped(
                        why,
                        "a machine or container with CAP_SYS_ADMIN",
                    ));
                }
                thread::sleep(Duration::from_millis(50));
            }
        }

        /// Runs systemctl(1) in there.
        fn systemctl(&self, arguments: &[&str]) -> Result<String, String> {
            let mut command = Command::new("nsenter");
            command.args(["-t", &self.pid, "-m", "-p", "-u", "-i", "-C"]);
            command.args(["env", "-i", "/usr/bin/systemctl", "--no-pager"]);
            let output = command.args(arguments).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match output.status.success() {
                true => Ok(text(&output.stdout)),
                false => Err(text(&output.stderr)),
            }
        }

        fn property(&self, unit: &str, name: &str) -> String {
            let show = ["show", unit, "--value", "-p", name];
            self.systemctl(&show).unwrap().trim().into()
        }

        /// Waits until a property of a unit is as it should be.
        fn wait(&self, unit: &str, name: &str, is_so: impl Fn(&str) -> bool) {
            let begin = Instant::now();
            loop {
                let value = self.property(unit, name);
                if is_so(&value) {
                    return;
                }
                let console = || fs::read_to_string(self.folder.join("console"));
                assert!(
                    begin.elapsed() < PATIENCE,
                    "{unit}: {name}={value}\n{}",
                    console().unwrap()
                );
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    impl Drop for Systemd {
        fn drop(&mut self) {
            // With process 1, all processes of the namespace end.
            self.parent = None;
            let begin = Instant::now();
            while remove_cgroup(&self.cgroup).is_err() && begin.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// A cgroup goes when the last process of it has gone.
    fn remove_cgroup(path: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                remove_cgroup(&entry.path())?;
            }
        }
        fs::remove_dir(path)
    }

    /// Copies the units of dist/, on other ports, with the targets that they need. What they log
    /// is in files, since there is no journal.
    fn write_units(folder: &Path, ports: [u16; 2]) {
        fs::create_dir_all(folder).unwrap();
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
        for unit in [
            "linecho.socket",
            "linecho.service",
            "linecho-inetd.socket",
            "linecho-inetd@.service",
        ] {
            let text = fs::read_to_string(dist.join(unit)).unwrap();
            let text = text
                .replace("=18080", &format!("=127.0.0.1:{}", ports[0]))
                .replace("=18082", &format!("=127.0.0.1:{}", ports[1]));
            fs::write(folder.join(unit), text).unwrap();
        }
        for target in ["sysinit", "basic", "sockets", "shutdown"] {
            let unit = "[Unit]\nDefaultDependencies=no\n";
            fs::write(folder.join(format!("{target}.target")), unit).unwrap();
        }
        let wanted = "[Unit]\nWants=linecho.socket linecho-inetd.socket\n";
        fs::write(folder.join("default.target"), wanted).unwrap();
        for (unit, more) in [
            // Often enough to be seen.
            (
                "linecho.service",
                "WatchdogSec=2s\nEnvironment=LINECHO_LOG_LEVEL=debug\n",
            ),
            (
                "linecho-inetd@.service",
                "StandardError=append:/run/inetd.log\n",
            ),
        ] {
            let folder = folder.join(format!("{unit}.d"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("test.conf"), format!("[Service]\n{more}")).unwrap();
        }
    }

    /// A port that was free just now.
    fn free_port() -> u16 {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    }

    fn connect(port: u16) -> TcpStream {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begin = Instant::now();
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{address}: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
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

    /// Sends a line that may come just when the server ends. It is not lost without notice.
    fn ask_until_echoed(port: u16, line: &[u8]) {
        let begin = Instant::now();
        loop {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is not refused");
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut echo = vec![0; line.len()];
            match stream
                .write_all(line)
                .and_then(|()| stream.read_exact(&mut echo))
            {
                Ok(()) => return assert_eq!(echo, line),
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    fn the_units_serve() -> Result<(), Stop> {
        let ports = [free_port(), free_port()];
        let systemd = Systemd::boot(ports)?;
        let service = "linecho.service";

        // The socket is there first, and the first connection starts the service.
        systemd.wait("linecho.socket", "ActiveState", |it| it == "active");
        let mut open = connect(ports[0]);
        echo(&mut open, b"hello\n");
        // It is active when it has said so: Type=notify.
        systemd.wait(service, "ActiveState", |it| it == "active");
        systemd.wait(service, "StatusText", |it| {
            it.contains("1 connection open, 1 so far")
        });
        let pid = systemd.property(service, "MainPID");
        let sandbox = systemd.property(service, "DynamicUser");
        assert_eq!(sandbox, "yes");

        // It is not restarted, since it gives a sign of life again and again.
        for _ in 0..2 {
            let sign = systemd.property(service, "WatchdogTimestampMonotonic");
            systemd.wait(service, "WatchdogTimestampMonotonic", |it| it != sign);
        }
        assert_eq!(systemd.property(service, "MainPID"), pid);

        // A restart refuses nobody: systemd keeps the socket.
        drop(open);
        for _ in 0..3 {
            systemd
                .systemctl(&["restart", "--no-block", service])
                .unwrap();
            for _ in 0..20 {
                ask_until_echoed(ports[0], b"in between\n");
            }
            systemd.wait(service, "ActiveState", |it| it == "active");
        }
        assert_ne!(systemd.property(service, "MainPID"), pid);

        // Accept=yes: a process for each connection.
        let mut peers = [connect(ports[1]), connect(ports[1])];
        for peer in &mut peers {
            echo(peer, b"of my own\n");
        }
        systemd.wait("linecho-inetd.socket", "NConnections", |it| it == "2");
        for mut peer in peers {
            peer.write_all(b"x\ny").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            let mut rest = String::new();
            peer.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "x\ny");
        }
        systemd.wait("linecho-inetd.socket", "NConnections", |it| it == "0");

        // All ends in order.
        let stop = ["stop", service, "linecho.socket", "linecho-inetd.socket"];
        systemd.systemctl(&stop).unwrap();
        assert_eq!(systemd.property(service, "Result"), "success");
        assert_eq!(systemd.property(service, "ActiveState"), "inactive");
        let log = format!("/proc/{}/root/run/inetd.log", systemd.pid);
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("peer=127.0.0.1:"), "{log}");
        Ok(())
    }
}
