//! The images on their boards in QEMU: service, clients that misbehave, faults, resources.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use linecho_tests::firmware::{Board, Image, Machine, Problem, Session, TARGET, checks, toolchain};
use linecho_trials::{Stop, Trial, trials};
use socket2::SockRef;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_panic_ends_in_a_message_and_a_failure_code,
        a_stack_overflow_ends_in_a_message_and_a_failure_code,
        a_write_to_a_bad_address_ends_in_a_message_and_a_failure_code,
        a_board_copies_exactly,
        a_port_that_is_taken_is_named_with_the_way_out,
        no_image_is_built_with_a_warning,
        both_boards_serve_from_a_cold_start,
        four_clients_stream_a_megabyte_each,
        clients_beyond_the_slots_are_refused_and_the_others_served,
        a_flood_of_frames_during_a_stall_loses_nothing,
        clients_that_vanish_do_not_keep_their_slots,
        clients_that_reset_do_not_keep_their_slots,
        a_client_that_never_reads_is_cut_off_and_delays_nobody,
        an_idle_board_sleeps,
        thirteen_slots_fill_the_memory_and_serve,
        fourteen_slots_do_not_link,
        the_porting_guide_states_the_length_of_both_boards,
    ]
}

/// The board that most tests use. What differs between boards is their drivers.
const BOARD: Board = Board::Lm3s6965evb;

/// The image that users get.
fn machine(board: Board) -> Result<Machine, Problem> {
    Machine::boot(&Image::of(board).build()?, board, None)
}

/// The image with the test commands.
fn test_machine(board: Board, session: &Session) -> Result<Machine, Problem> {
    let image = Image {
        test_commands: true,
        ..Image::of(board)
    };
    Machine::boot_for_test(&image.build()?, board, session)
}

// --- Failures -----------------------------------------------------------------------------------

/// Whatever fails ends in a message and a failure code, on both boards.
fn ends_with(command: u8, message: &str, culprit: &str) -> Result<(), Stop> {
    for board in Board::ALL {
        let mut machine = test_machine(board, &Session::default())?;
        machine.command(&[command]).unwrap();
        machine.wait_for(message).unwrap();
        let status = machine.wait_end().unwrap();
        let log = machine.log();
        assert_eq!(status.code(), Some(1), "{board}: {log:?}");
        assert!(
            machine.has_logged(culprit),
            "{board}: the place is not named in {log:?}"
        );
    }
    Ok(())
}

fn a_panic_ends_in_a_message_and_a_failure_code() -> Result<(), Stop> {
    ends_with(b'p', "PANIC", "test_commands.rs")
}

fn a_stack_overflow_ends_in_a_message_and_a_failure_code() -> Result<(), Stop> {
    ends_with(b'o', "FAULT stack overflow", "0x1fff")
}

fn a_write_to_a_bad_address_ends_in_a_message_and_a_failure_code() -> Result<(), Stop> {
    ends_with(b'w', "address 0x60000000", "test_commands.rs")
}

fn a_port_that_is_taken_is_named_with_the_way_out() -> Result<(), Stop> {
    let image = Image::of(BOARD).build()?;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    match Machine::boot(&image, BOARD, Some(port)) {
        Err(problem @ Problem::Missing { .. }) => return Err(problem.into()),
        Err(Problem::Failed(message)) => assert_eq!(
            message,
            format!("port {port} of 127.0.0.1 is taken: choose another, or none to get a free one")
        ),
        Ok(_) => panic!("QEMU shares the port {port} with another program"),
    }
    Ok(())
}

fn no_image_is_built_with_a_warning() -> Result<(), Stop> {
    for board in Board::ALL {
        for (test_commands, feature) in [(false, None), (true, None), (false, Some("quiet"))] {
            let image = Image {
                test_commands,
                feature,
                ..Image::of(board)
            };
            assert_eq!(image.warnings()?, "", "{image}");
        }
    }
    Ok(())
}

// --- Service ------------------------------------------------------------------------------------

fn both_boards_serve_from_a_cold_start() -> Result<(), Stop> {
    for board in Board::ALL {
        let image = Image::of(board).build()?;
        checks::cold_start(&image, board, 4)?;
    }
    Ok(())
}

fn four_clients_stream_a_megabyte_each() -> Result<(), Stop> {
    let machine = machine(BOARD)?;
    checks::streams_at_once(machine.port(), 4, 1_000_000).unwrap();
    machine.stop().unwrap();
    Ok(())
}

/// A connection is refused while all slots are taken, the others do not notice, and a slot that
/// becomes free takes the next one.
fn clients_beyond_the_slots_are_refused_and_the_others_served() -> Result<(), Stop> {
    let machine = machine(BOARD)?;
    let port = machine.port();
    let mut served: Vec<_> = (0..4).map(|_| checks::accepted(port).unwrap()).collect();
    for _ in 0..8 {
        assert!(checks::is_refused(port).unwrap());
    }
    for stream in &mut served {
        checks::round_trip(stream, b"still served\n").unwrap();
    }
    checks::stream_through(served.remove(0), b"the last line of one").unwrap();
    let mut next = checks::accepted(port).unwrap();
    checks::round_trip(&mut next, b"the next one\n").unwrap();
    machine.stop().unwrap();
    Ok(())
}

/// While the board is busy with something else, frames flood it. All connections live on, and no
/// byte is lost. Only the Stellaris controller keeps so many frames; that of the other board drops
/// them, and TCP sends them again.
fn a_flood_of_frames_during_a_stall_loses_nothing() -> Result<(), Stop> {
    for board in Board::ALL {
        let mut machine = test_machine(board, &Session::default())?;
        let port = machine.port();
        let streams: Vec<_> = (0..4).map(|_| checks::accepted(port).unwrap()).collect();
        machine.command(b"s").unwrap();
        machine.wait_for("STALL").unwrap();
        let flood = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..300 {
            let frame = [0; 1400];
            flood
                .send_to(&frame, (Ipv4Addr::LOCALHOST, machine.udp_port()))
                .unwrap();
        }
        thread::scope(|scope| {
            for (seed, stream) in (1..).zip(streams) {
                let text = checks::text(20_000, seed);
                scope.spawn(move || checks::stream_through(stream, &text).unwrap());
            }
        });
        assert!(machine.has_logged("STALL"));
        machine.wait_for("STALLED").unwrap();
        checks::streams_at_once(port, 4, 10_000).unwrap();
        machine.stop().unwrap();
    }
    Ok(())
}

/// Every length and alignment, by the instructions that only the boards have.
fn a_board_copies_exactly() -> Result<(), Stop> {
    let mut machine = test_machine(BOARD, &Session::default())?;
    machine.command(b"c").unwrap();
    machine.wait_for("COPIED").unwrap();
    machine.stop().unwrap();
    Ok(())
}

// --- Clients that misbehave ---------------------------------------------------------------------

/// Clients that say nothing any more are let go at the idle timeout, and their slots serve others.
fn clients_that_vanish_do_not_keep_their_slots() -> Result<(), Stop> {
    let session = Session {
        idle: Duration::from_secs(3),
        ..Session::default()
    };
    let mut machine = test_machine(BOARD, &session)?;
    let mut silent: Vec<_> = (0..4)
        .map(|_| checks::accepted(machine.port()).unwrap())
        .collect();
    silent[0].write_all(b"half a line").unwrap();
    for _ in 0..4 {
        machine.wait_for("closed: idle").unwrap();
    }
    checks::streams_at_once(machine.port(), 4, 10_000).unwrap();
    machine.stop().unwrap();
    Ok(())
}

/// A client that resets its connection in the middle of a line frees its slot at once.
fn clients_that_reset_do_not_keep_their_slots() -> Result<(), Stop> {
    let mut machine = machine(BOARD)?;
    for _ in 0..12 {
        let mut stream = checks::accepted(machine.port()).unwrap();
        stream.write_all(b"half a line").unwrap();
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(stream);
        machine.wait_for("closed").unwrap();
    }
    checks::streams_at_once(machine.port(), 4, 10_000).unwrap();
    machine.stop().unwrap();
    Ok(())
}

/// A client that sends and never reads is cut off at the write timeout, and delays nobody before.
fn a_client_that_never_reads_is_cut_off_and_delays_nobody() -> Result<(), Stop> {
    let session = Session {
        write: Duration::from_secs(2),
        ..Session::default()
    };
    let mut machine = test_machine(BOARD, &session)?;
    let stuck = checks::accepted(machine.port()).unwrap();
    let sender = fill(stuck.try_clone().unwrap());
    let mut other = checks::accepted(machine.port()).unwrap();
    let mut rounds = 0_u32;
    while !machine.has_logged("write stalled") {
        checks::round_trip(&mut other, b"not delayed\n").unwrap();
        rounds += 1;
        while machine
            .next_line(Duration::from_millis(10))
            .unwrap()
            .is_some()
        {}
    }
    assert!(
        rounds > 1,
        "the other client was served while the first was stuck"
    );
    stuck.shutdown(Shutdown::Both).ok();
    sender.join().unwrap();
    machine.stop().unwrap();
    Ok(())
}

/// Sends until the connection is gone.
fn fill(mut stream: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || while stream.write_all(&[b'\n'; 1000]).is_ok() {})
}

// --- Resources ----------------------------------------------------------------------------------

fn an_idle_board_sleeps() -> Result<(), Stop> {
    for board in Board::ALL {
        let machine = machine(board)?;
        let idle = checks::idle(&machine, 4, Duration::from_secs(10)).unwrap();
        assert!(idle.load < checks::IDLE_LOAD_MAX, "{board}: {idle:?}");
        machine.stop().unwrap();
    }
    Ok(())
}

fn thirteen_slots_fill_the_memory_and_serve() -> Result<(), Stop> {
    let image = Image {
        slots: 13,
        ..Image::of(BOARD)
    };
    let path = image.build()?;
    let stack = checks::stack(&path, BOARD, 13)?;
    // The start takes stack for each slot, and another compiler may take more than this one.
    assert!(stack.used + 512 <= stack.length, "{stack:?}");
    Ok(())
}

fn fourteen_slots_do_not_link() -> Result<(), Stop> {
    toolchain::Toolchain::for_target(TARGET)?;
    let image = Image {
        slots: 14,
        ..Image::of(BOARD)
    };
    let message = image.build().unwrap_err().to_string();
    assert!(
        message.contains("will not fit in region 'RAM'"),
        "{message}"
    );
    Ok(())
}

// --- Documentation ------------------------------------------------------------------------------

/// The guide states how long a board file is, so that a port can be estimated.
fn the_porting_guide_states_the_length_of_both_boards() -> Result<(), Stop> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/firmware"));
    let guide = fs::read_to_string(folder.join("README.md")).unwrap();
    for file in ["lm3s6965evb.rs", "mps2_an385.rs"] {
        let mut text = String::new();
        let path = folder.join("src/board").join(file);
        fs::File::open(path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let row = format!("| `{file}` | {} |", text.lines().count());
        assert!(
            guide.contains(&row),
            "examples/firmware/README.md should have the row {row}"
        );
    }
    Ok(())
}
