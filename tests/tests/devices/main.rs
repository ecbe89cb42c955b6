//! The devices of linecho-devices against the kernel, each test in a network namespace of its own.

#[cfg(target_os = "linux")]
mod forwarding;
#[cfg(target_os = "linux")]
mod netns;
#[cfg(target_os = "linux")]
mod tap;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use linecho_tests::namespace;

    macro_rules! tests {
        ($($module:ident: $($test:ident)*;)*) => {
            [$($((concat!(stringify!($module), "::", stringify!($test)), $module::$test)),*),*]
        };
    }
    let tests: &[namespace::Test] = &tests! {
        netns: programs_in_it_reach_a_stack a_user_can_enter_one;
        tap: plain_frames_are_exact
            offloaded_frames_are_exact_and_long
            every_mtu_is_exact
            a_connection_outlives_its_link_going_down
            a_deleted_interface_ends_the_device
            the_kernel_may_refuse_to_offload
            the_next_program_finds_a_plain_device
            a_device_can_be_created
            a_device_with_several_queues_is_taken_with_one
            what_the_kernel_refuses_is_explained
            a_datagram_of_the_kernel_is_finished;
        forwarding: every_pair_of_devices_talks_through_the_kernel
            a_frame_corrupted_elsewhere_is_dropped
            a_narrower_link_on_the_way_holds_nothing_up;
    };
    namespace::inside(tests).unwrap_or_else(|| linecho_trials::conclude(namespace::trials(tests)))
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// Runs `ip` of iproute2.
#[cfg(target_os = "linux")]
fn ip(arguments: &str) {
    let output = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2 is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {stderr}");
}
