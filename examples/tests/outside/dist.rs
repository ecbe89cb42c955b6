//! The files of `dist/`, checked and used by the programs that they are for.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use linecho_trials::Stop;
use linecho_trials::process::listening_addresses;

use crate::kit::{
    PROGRAM, connect, echo, free_port, installed, line, log, output, start, terminate,
};

pub(crate) fn the_units_are_valid() -> Result<(), Stop> {
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

/// With the schemas of Kubernetes, and no field that they do not know.
pub(crate) fn the_deployment_is_valid() -> Result<(), Stop> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let validate = workspace.join("target/kubernetes/bin/kubernetes-validate");
    if !validate.exists() {
        return Err(Stop::skipped(
            "there is no program `kubernetes-validate`",
            "python3 -m venv target/kubernetes && target/kubernetes/bin/pip install \
             kubernetes-validate==1.37.0",
        ));
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
pub(crate) fn the_image_serves_as_nobody() -> Result<(), Stop> {
    let buildah = installed("buildah", "buildah")?;
    let chroot = installed("chroot", "coreutils")?;
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Stop::skipped(
            "chroot(1) takes root",
            "run the test as root",
        ));
    }
    if !cfg!(target_arch = "x86_64") {
        return Err(Stop::NotApplicable("the image is for x86-64".into()));
    }
    let programs = static_programs();
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
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/Containerfile");
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
    terminate(&server);
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

/// Builds both programs with the C library in them, and returns their folder. Only how they are
/// linked differs, so all but the crates of the workspace are those that the tests are built with:
/// with the same features, and not built again.
fn static_programs() -> PathBuf {
    let target = Path::new(PROGRAM).ancestors().nth(2).unwrap();
    let folder = target.join("static");
    let compiler = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/static-rustc");
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_BUILD_BUILD_DIR", target)
        .env("RUSTC_WORKSPACE_WRAPPER", compiler)
        .args(["build", "--quiet", "--workspace", "--test", "sum"])
        .args(["--bin", "echo-server", "--bin", "echo-client"])
        .arg("--target-dir")
        .arg(&folder);
    assert!(build.status().unwrap().success(), "{build:?}");
    folder.join("debug")
}
