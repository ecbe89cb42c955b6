//! Behind passt, without any privilege.

use std::env;
use std::fs::{self, Permissions};
use std::io::Cursor;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use linecho_std::Client;

use linecho_trials::{Stop, Trial, trials};

use crate::kit::{PROGRAM, Running, wait_for};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        an_ordinary_user_gets_two_megabytes_through,
        an_address_comes_by_dhcp,
    ]
}

/// passt, in a folder that any user may write to.
struct Passt {
    folder: PathBuf,
    /// The address at which it takes connections for the server.
    address: SocketAddr,
    _running: Running,
}

impl Passt {
    fn start(name: &str) -> Result<Self, Stop> {
        if Command::new("passt").arg("--help").output().is_err() {
            return Err(Stop::no_program("passt", "passt"));
        }
        let folder = env::temp_dir().join(format!("linecho-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let everybody = Permissions::from_mode(0o777);
        fs::set_permissions(&folder, everybody).expect("the folder is ours");
        // What is built may be where only we can read it.
        fs::copy(PROGRAM, folder.join("echo-tap")).expect("the program can be copied");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = free.expect("a free port");

        let socket = folder.join("socket");
        let mut command = as_user("passt");
        command.arg("--foreground").arg("--socket").arg(&socket);
        // As the help of echo-tap has it.
        let options = "--ipv4-only --interface lo --mac-addr 02:00:00:00:00:02 --address 192.168.69.1 \
                       --netmask 24 --gateway 192.168.69.100 --tcp-ports";
        command.args(options.split_whitespace());
        command.arg(format!("127.0.0.1/{}:18080", address.port()));
        let running = Running::start(&mut command);
        // It says that the socket is bound before it listens.
        wait_for("passt to listen", || listens(&socket).then_some(()));
        Ok(Self {
            folder,
            address,
            _running: running,
        })
    }

    fn echo_tap(&self, options: &[&str]) -> Running {
        let mut command = as_user(self.folder.join("echo-tap"));
        command.arg("--socket").arg(self.folder.join("socket"));
        Running::start(command.args(options))
    }

    fn connect(&self) -> Client {
        Client::connect(self.address, Duration::from_secs(30)).expect("passt accepts all")
    }
}

impl Drop for Passt {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A command as the user that we are, or as nobody if that is root.
fn as_user(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdout(Stdio::null());
    command
}

/// Returns `true` if a process accepts connections at a UNIX socket: flag `__SO_ACCEPTCON` of
/// proc(5).
fn listens(socket: &Path) -> bool {
    let table = fs::read_to_string("/proc/net/unix").expect("Linux has it");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let is_listening = fields.nth(3) == Some("00010000");
        is_listening && fields.nth(3).map(Path::new) == Some(socket)
    })
}

fn an_ordinary_user_gets_two_megabytes_through() -> Result<(), Stop> {
    let passt = Passt::start("passt")?;
    let mut server = passt.echo_tap(&[]);
    server.says("nc -N 192.168.69.1 18080");
    let open_files = fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it is running");
    let open_files = open_files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    assert!(
        open_files
            .into_iter()
            .all(|file| file != Path::new("/dev/net/tun"))
    );

    let lines: Vec<u8> = (0..290_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    let mut output = Vec::new();
    let client = passt.connect();
    client
        .filter(Cursor::new(lines.clone()), &mut output)
        .expect("all comes back");
    assert!(output == lines);
    // The client is done when all has come back, which may be before the server has seen its end;
    // and the summary counts what sessions did that have ended.
    server.says("closed peer=192.168.69.100");

    // When passt ends, so does the server.
    drop(passt);
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(1), "{said}");
    let summary = format!(
        "290000 lines (0 too long), {0} bytes in, {0} bytes out",
        lines.len()
    );
    assert!(said.contains(&summary), "{said}");
    assert!(
        said.contains("the peer of the UNIX socket has closed it"),
        "{said}"
    );
    Ok(())
}

fn an_address_comes_by_dhcp() -> Result<(), Stop> {
    let passt = Passt::start("dhcp")?;
    let mut server = passt.echo_tap(&["--dhcp"]);
    let said = server.says("got an address by DHCP");
    assert!(
        said.contains("address=192.168.69.1/24 gateway=192.168.69.100"),
        "{said}"
    );
    passt.connect().echo(b"hello").expect("it is served");
    Ok(())
}
