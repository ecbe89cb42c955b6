//! The contract, turned into cases: each is written once, and played over every way to reach a
//! server.

mod bytes;
mod client;
mod deadlines;
mod endings;
mod long_lines;
mod many;
mod mixed;
pub mod oracle;
mod plan;
mod stage;
mod text;

use std::time::Duration;

pub use client::Client;
use linecho_core::LongLines::{self, Close, Discard, Flush};
use linecho_trials::Stop;
pub use plan::{End, Plan, Reads};
pub use stage::{Id, Stage};

use crate::conformance::reach::Wanted;

/// One case of the contract.
pub struct Scenario {
    /// Its name in the list of tests.
    pub name: &'static str,
    /// The settings that it needs of the server, given the network's pace.
    pub wanted: fn(Duration) -> Wanted,
    /// The play itself, which fails where the contract is broken.
    pub play: fn(&mut Stage) -> Result<(), Stop>,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    // Exact: the same bytes in the same order.
    any("any_bytes_in_any_pieces", bytes::any_bytes_in_any_pieces),
    any("one_byte_at_a_time", bytes::one_byte_at_a_time),
    any("empty_lines", bytes::empty_lines),
    any("crlf_split_over_writes", bytes::crlf_split_over_writes),
    any("nul_and_0xff", bytes::nul_and_0xff),
    any(
        "many_rounds_on_one_connection",
        bytes::many_rounds_on_one_connection,
    ),
    // Line-buffered: not before the newline.
    any(
        "nothing_before_the_newline",
        bytes::nothing_before_the_newline,
    ),
    // Overlong lines.
    with(
        "exactly_the_buffer_flush",
        flush,
        long_lines::exactly_the_buffer,
    ),
    with(
        "exactly_the_buffer_discard",
        discard,
        long_lines::exactly_the_buffer,
    ),
    with(
        "exactly_the_buffer_close",
        close,
        long_lines::exactly_the_buffer,
    ),
    with(
        "longer_than_the_buffer_flush",
        flush,
        long_lines::longer_is_flushed,
    ),
    with(
        "longer_than_the_buffer_discard",
        discard,
        long_lines::longer_is_discarded,
    ),
    with(
        "longer_than_the_buffer_close",
        close,
        long_lines::longer_closes,
    ),
    with("one_mebibyte_flush", flush, long_lines::one_mebibyte),
    with("one_mebibyte_discard", discard, long_lines::one_mebibyte),
    with("one_mebibyte_close", close, long_lines::one_mebibyte),
    with(
        "discard_finds_the_next_line",
        discard,
        long_lines::discard_finds_the_next_line,
    ),
    // Half-close.
    any("half_close_with_a_rest", bytes::half_close_with_a_rest),
    any("half_close_at_once", bytes::half_close_at_once),
    // Bounded.
    any(
        "pipelined_without_reading",
        bytes::pipelined_without_reading,
    ),
    // Alive: nobody delays another.
    any("one_after_another", many::one_after_another),
    any("all_at_once", many::all_at_once),
    any("reset_in_the_middle", many::reset_in_the_middle),
    any(
        "slow_reader_beside_fast_clients",
        many::slow_reader_beside_fast_clients,
    ),
    any(
        "silent_clients_beside_a_working_one",
        many::silent_clients_beside_a_working_one,
    ),
    with(
        "more_clients_than_places",
        few_places,
        many::more_clients_than_places,
    ),
    with(
        "clients_of_all_kinds_flush",
        flush,
        mixed::clients_of_all_kinds,
    ),
    with(
        "clients_of_all_kinds_discard",
        discard,
        mixed::clients_of_all_kinds,
    ),
    with(
        "clients_of_all_kinds_close",
        close,
        mixed::clients_of_all_kinds,
    ),
    // Deadlines, moved by progress alone.
    with("idle_deadline", idle, deadlines::idle),
    with(
        "progress_moves_the_deadline",
        idle,
        deadlines::progress_moves_the_deadline,
    ),
    with(
        "unfinished_line_is_no_progress",
        idle,
        deadlines::unfinished_line_is_no_progress,
    ),
    with("write_deadline", write_stall, deadlines::write_stall),
    // Reasons, each session exactly one.
    any("shutdown_drains", endings::shutdown_drains),
    any(
        "shutdown_loses_nothing_that_was_taken",
        endings::shutdown_loses_nothing_that_was_taken,
    ),
    with(
        "each_session_ends_for_one_reason",
        close,
        endings::each_session_ends_for_one_reason,
    ),
];

type Play = fn(&mut Stage) -> Result<(), Stop>;

/// For any server as it is.
const fn any(name: &'static str, play: Play) -> Scenario {
    with(name, |_| Wanted::default(), play)
}

const fn with(name: &'static str, wanted: fn(Duration) -> Wanted, play: Play) -> Scenario {
    Scenario { name, wanted, play }
}

fn policy(long_lines: LongLines) -> Wanted {
    Wanted {
        long_lines,
        ..Wanted::default()
    }
}

fn flush(_: Duration) -> Wanted {
    policy(Flush)
}

fn discard(_: Duration) -> Wanted {
    policy(Discard)
}

fn close(_: Duration) -> Wanted {
    policy(Close)
}

fn few_places(_: Duration) -> Wanted {
    Wanted {
        connections: Some(4),
        ..Wanted::default()
    }
}

fn idle(pace: Duration) -> Wanted {
    Wanted {
        idle_timeout: Some(pace * 2),
        ..Wanted::default()
    }
}

fn write_stall(pace: Duration) -> Wanted {
    Wanted {
        write_timeout: Some(pace * 2),
        ..Wanted::default()
    }
}
