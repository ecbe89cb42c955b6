//! Runs a test in a network namespace of its own, which needs no privilege on most systems.

use std::any::type_name;
use std::env;
use std::io::Write as _;
use std::process::Command;

/// Set for a test that is inside.
const INSIDE: &str = "LINECHO_TEST_IN_NAMESPACE";
/// Set where a test that cannot run must fail, as in continuous integration.
const REQUIRE_ALL: &str = "LINECHO_REQUIRE_ALL";

/// Runs `body`, the whole of a test, in a fresh network namespace, by starting that test again in
/// there. Where that is not possible it says so on standard error, and fails if `LINECHO_REQUIRE_ALL=1`
/// asks for it.
pub(super) fn in_namespace<F: FnOnce()>(body: F) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    // CRATE::MODULES::TEST::{{closure}}
    let name = type_name::<F>().trim_end_matches("::{{closure}}");
    let name = name.split_once("::").map_or(name, |(_crate, test)| test);
    let Some(unshare) = way_in() else {
        let reason = "no network namespace with a TAP device in it: this needs root or user \
                      namespaces, access to /dev/net/tun, and the programs `unshare` and `ip`";
        assert!(
            env::var_os(REQUIRE_ALL).is_none_or(|value| value != "1"),
            "{reason}"
        );
        // What the macros print is shown only when a test fails.
        _ = writeln!(std::io::stderr(), "SKIPPED: {name}: {reason}");
        return;
    };
    let output = Command::new("unshare")
        .args(unshare)
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A name that no test has would succeed as well.
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "{name} in the namespace:\n{stdout}\n{stderr}");
}

/// The arguments with which `unshare` can make a namespace where a TAP device can be made.
fn way_in() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["-n"], &["-r", "-n"]];
    ways.into_iter().find(|way| {
        let probe = "ip tuntap add dev probe0 mode tap && ip link set lo up";
        let output = Command::new("unshare")
            .args(*way)
            .args(["sh", "-c", probe])
            .output();
        output.is_ok_and(|output| output.status.success())
    })
}

/// Runs `ip` of iproute2.
pub(super) fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {stderr}");
}
