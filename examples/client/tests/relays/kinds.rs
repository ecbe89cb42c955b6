//! Real relays, each in its plainest configuration.

use std::fs;
use std::process::Command;

use linecho_trials::Stop;

use crate::entry;
use crate::kit::{Kind, LOCAL, Starting, failed, finish, free_port, listens};

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
    Kind {
        name: "xinetd, redirect",
        needs: &[("xinetd", "xinetd")],
        start: |it| {
            // Only root may serve as somebody else.
            let user = nix::unistd::Uid::effective();
            // By default it refuses everybody for 10 s after 50 connections in a second, which
            // check makes when the machine is fast enough.
            let text = format!(
                "service linecho\n{{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n \
                 wait = no\n cps = 1000 10\n user = {user}\n bind = {LOCAL}\n port = {}\n redirect = {LOCAL} {}\n}}\n",
                it.front, it.back
            );
            let config = it.file("xinetd.conf", &text)?;
            it.run("xinetd", &["-dontfork", "-f", &config])
        },
    },
    Kind {
        name: "tinyproxy, CONNECT",
        needs: &[("tinyproxy", "tinyproxy")],
        start: |it| {
            let port = free_port();
            let text = format!("Port {port}\nListen {LOCAL}\nTimeout 600\nMaxClients 300\n");
            let config = it.file("tinyproxy.conf", &text)?;
            it.run("tinyproxy", &["-d", "-c", &config])?;
            listens(port, &mut it.processes)?;
            entry::start(it.front, port, it.back, entry::http_connect);
            Ok(())
        },
    },
    Kind {
        name: "microsocks, SOCKS5",
        needs: &[("microsocks", "microsocks")],
        start: |it| {
            let port = free_port();
            it.run("microsocks", &["-i", LOCAL, "-p", &port.to_string()])?;
            listens(port, &mut it.processes)?;
            entry::start(it.front, port, it.back, entry::socks5);
            Ok(())
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
