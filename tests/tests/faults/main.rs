//! Faults of real networks, each played in network namespaces of its own: `echo-client` has to say
//! in words what has happened, as far as its kernel can tell.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod path;
#[cfg(target_os = "linux")]
mod resolver;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod sockets;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use linecho_tests::namespace;

    macro_rules! tests {
        ($($module:ident: $($test:ident)*;)*) => {
            [$($((concat!(stringify!($module), "::", stringify!($test)), $module::$test)),*),*]
        };
    }
    let tests: &[namespace::Test] = &tests! {
        path: an_interface_that_is_switched_off
            a_link_without_a_carrier
            an_address_that_is_taken_away
            a_host_that_went_down_behind_a_router
            a_filter_of_what_is_sent
            a_filter_of_what_comes_back
            a_nat_that_has_forgotten
            an_mtu_black_hole_after_short_lines
            an_mtu_black_hole_from_the_start;
        server: a_server_that_is_down_behind_a_syn_proxy
            a_client_that_vanishes
            a_server_that_is_killed
            a_server_that_hangs
            a_server_that_hangs_before_it_accepts
            a_server_that_does_not_read
            a_server_that_did_not_read_and_went;
        resolver: a_resolver_that_is_silent;
        sockets: a_server_that_would_be_the_client_itself
            both_programs_work_under_mptcpize
            each_option_may_be_refused;
    };
    namespace::inside(tests).unwrap_or_else(|| linecho_trials::conclude(namespace::trials(tests)))
}

#[cfg(not(target_os = "linux"))]
fn main() {}
