//! echo-server together with programs that the machine may lack.

#[cfg(target_os = "linux")]
mod administration;
#[cfg(target_os = "linux")]
mod dist;
#[cfg(target_os = "linux")]
mod kit;
#[cfg(target_os = "linux")]
mod relays;
#[cfg(target_os = "linux")]
mod sockets;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use administration::*;
    use dist::*;
    use linecho_trials::{conclude, trials};
    use relays::*;
    use sockets::*;

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

#[cfg(not(target_os = "linux"))]
fn main() {}
