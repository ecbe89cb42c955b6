//! Real relays in their plainest configuration, each in front of a line echo of ours.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linecho_std::{Handle, Server};
use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, Running};

/// A line echo that runs until this is dropped.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    handle: Handle,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let server = Server::builder().listen(["127.0.0.1:0".parse().unwrap()]);
        let server = server.unwrap();
        let echo = Self {
            address: server.addresses()[0],
            handle: server.handle(),
        };
        thread::spawn(|| server.run());
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Twice: what relays keep open is cut.
        self.handle.shutdown();
        self.handle.shutdown();
    }
}

/// A relay in front of an echo.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _processes: Vec<Running>,
    _folder: Folder,
    _echo: Echo,
}

/// A relay that can be had as a package.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The programs that it needs, and the package of each.
    needs: &'static [(&'static str, &'static str)],
    start: fn(&mut Starting) -> Result<(), Stop>,
}

/// The arguments of a relay.
pub(crate) struct Starting<'a> {
    front: u16,
    back: u16,
    folder: &'a Path,
    processes: Vec<Running>,
}

const LOCAL: &str = "127.0.0.1";

pub(crate) const RELAYS: &[Kind] = &[
    Kind {
        name: "haproxy",
        needs: &[("haproxy", "haproxy")],
        start: |it| {
            let text = format!(
                "defaults\n mode tcp\n timeout connect 5s\n\
                 listen echo\n bind {LOCAL}:{}\n server echo {LOCAL}:{}\n",
                it.front, it.back
            );
            let config = it.file("haproxy.cfg", &text)?;
            it.run("haproxy", &["-q", "-db", "-f", &config])
        },
    },
    Kind {
        name: "nginx",
        needs: &[("nginx", "nginx libnginx-mod-stream")],
        start: |it| nginx(it, ""),
    },
    Kind {
        name: "nginx, proxy_half_close on",
        needs: &[("nginx", "nginx libnginx-mod-stream")],
        start: |it| nginx(it, "proxy_half_close on;"),
    },
    Kind {
        name: "socat",
        needs: &[("socat", "socat")],
        start: |it| {
            let front = format!("TCP4-LISTEN:{},bind={LOCAL},reuseaddr,fork", it.front);
            let back = format!("TCP4:{LOCAL}:{}", it.back);
            it.run("socat", &[&front, &back])
        },
    },
    Kind {
        name: "ncat",
        needs: &[("ncat", "ncat")],
        start: |it| {
            let relay = format!("ncat {LOCAL} {}", it.back);
            it.run(
                "ncat",
                &["-lk", LOCAL, &it.front.to_string(), "--sh-exec", &relay],
            )
        },
    },
    Kind {
        name: "stunnel",
        needs: &[("stunnel", "stunnel4"), ("openssl", "openssl")],
        start: stunnel,
    },
    Kind {
        name: "ssh -L",
        needs: &[("ssh", "openssh-client"), ("sshd", "openssh-server")],
        start: ssh,
    },
    Kind {
        name: "systemd-socket-proxyd",
        needs: &[
            ("/lib/systemd/systemd-socket-proxyd", "systemd"),
            ("systemd-socket-activate", "systemd"),
        ],
        start: |it| {
            let front = format!("{LOCAL}:{}", it.front);
            let back = format!("{LOCAL}:{}", it.back);
            let proxy = "/lib/systemd/systemd-socket-proxyd";
            it.run("systemd-socket-activate", &["-l", &front, proxy, &back])
        },
    },
    Kind {
        name: "rinetd",
        needs: &[("rinetd", "rinetd")],
        start: |it| {
            let text = format!("{LOCAL} {} {LOCAL} {}\n", it.front, it.back);
            let config = it.file("rinetd.conf", &text)?;
            it.run("rinetd", &["-f", "-c", &config])
        },
    },
    Kind {
        name: "redir",
        needs: &[("redir", "redir")],
        start: |it| {
            let front = format!("{LOCAL}:{}", it.front);
            let back = format!("{LOCAL}:{}", it.back);
            it.run("redir", &["-n", &front, &back])
        },
    },
    Kind {
        name: "simpleproxy",
        needs: &[("simpleproxy", "simpleproxy")],
        start: |it| {
            let front = format!("{LOCAL}:{}", it.front);
            let back = format!("{LOCAL}:{}", it.back);
            it.run("simpleproxy", &["-L", &front, "-R", &back])
        },
    },
];

fn nginx(it: &mut Starting, more: &str) -> Result<(), Stop> {
    let folder = it.folder.display();
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; pid {folder}/pid; error_log {folder}/error.log;\n\
         events {{}}\n\
         stream {{ server {{ listen {LOCAL}:{}; proxy_pass {LOCAL}:{}; {more} }} }}\n",
        it.front, it.back
    );
    let config = it.file("nginx.conf", &text)?;
    it.run(
        "nginx",
        &["-e", &format!("{folder}/error.log"), "-c", &config],
    )
}

/// Two of them, with TLS between.
fn stunnel(it: &mut Starting) -> Result<(), Stop> {
    let path = |name: &str| it.folder.join(name).display().to_string();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    finish(Command::new("openssl").args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ]))?;
    let middle = free_port();
    let text = format!(
        "foreground = yes\npid =\n[server]\naccept = {LOCAL}:{middle}\nconnect = {LOCAL}:{}\n\
         cert = {certificate}\nkey = {key}\n",
        it.back
    );
    let config = it.file("server.conf", &text)?;
    it.run("stunnel", &[&config])?;
    listens(middle, &mut it.processes)?;
    let text = format!(
        "foreground = yes\npid =\n[client]\nclient = yes\naccept = {LOCAL}:{}\nconnect = {LOCAL}:{middle}\n",
        it.front
    );
    let config = it.file("client.conf", &text)?;
    it.run("stunnel", &[&config])
}

fn ssh(it: &mut Starting) -> Result<(), Stop> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Stop::Skipped {
            why: "sshd needs root".into(),
            enable: "run it as root".into(),
        });
    }
    let path = |name: &str| it.folder.join(name).display().to_string();
    let (host, user) = (path("host"), path("user"));
    for key in [&host, &user] {
        finish(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", key]))?;
    }
    // sshd separates its privileges there.
    fs::create_dir_all("/run/sshd").map_err(failed)?;
    let middle = free_port();
    let text = format!(
        "Port {middle}\nListenAddress {LOCAL}\nHostKey {host}\nAuthorizedKeysFile {user}.pub\n\
         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
    );
    let config = it.file("sshd_config", &text)?;
    it.run("/usr/sbin/sshd", &["-D", "-f", &config])?;
    listens(middle, &mut it.processes)?;
    let forward = format!("{LOCAL}:{}:{LOCAL}:{}", it.front, it.back);
    let middle = middle.to_string();
    it.run(
        "ssh",
        &[
            "-F",
            "none",
            "-N",
            "-q",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-i",
            &user,
            "-p",
            &middle,
            "-L",
            &forward,
            LOCAL,
        ],
    )
}

impl Starting<'_> {
    fn file(&self, name: &str, text: &str) -> Result<String, Stop> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(failed)?;
        Ok(path.display().to_string())
    }

    fn run(&mut self, program: &str, arguments: &[&str]) -> Result<(), Stop> {
        let process = Command::new(program)
            .args(arguments)
            .env("PATH", PATH)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.processes.push(Running(process.map_err(failed)?));
        Ok(())
    }
}

/// The folders of relays, also for an ordinary user.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

impl Kind {
    /// Starts it in front of an echo, or says what lacks.
    pub(crate) fn start(&self) -> Result<Relay, Stop> {
        for (program, package) in self.needs {
            if !PATH
                .split(':')
                .any(|it| Path::new(it).join(program).exists())
            {
                return Err(Stop::no_program(program, package));
            }
        }
        let echo = Echo::start();
        let folder = Folder::new().map_err(failed)?;
        let mut starting = Starting {
            front: free_port(),
            back: echo.address.port(),
            folder: &folder.0,
            processes: Vec::new(),
        };
        (self.start)(&mut starting)?;
        let Starting {
            front,
            mut processes,
            ..
        } = starting;
        listens(front, &mut processes)?;
        Ok(Relay {
            address: (([127, 0, 0, 1]), front).into(),
            _processes: processes,
            _folder: folder,
            _echo: echo,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}

fn finish(command: &mut Command) -> Result<(), Stop> {
    let output = command.stdin(Stdio::null()).output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

/// A port where nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((LOCAL, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until somebody listens there; fails if a process ends before.
fn listens(port: u16, processes: &mut [Running]) -> Result<(), Stop> {
    let began = Instant::now();
    while TcpStream::connect((LOCAL, port)).is_err() {
        for Running(process) in processes.iter_mut() {
            if let Ok(Some(status)) = process.try_wait() {
                return Err(failed(format!("a relay ended: {status}")));
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(failed(format!("nobody listens on port {port}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let unique = format!("linecho-relay-{}-{}", std::process::id(), free_port());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the client with this input.
pub(crate) fn client(arguments: &[&str], input: &[u8]) -> Output {
    let mut process: Child = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (process.stdin.take().unwrap(), input.to_vec());
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
