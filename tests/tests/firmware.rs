//! The firmware, for real: built for its boards and booted in QEMU.

use linecho_tests::firmware::{Board, Image, Machine, Problem, or_skip};

/// Boots the image with the test commands.
fn test_machine(board: Board) -> Result<Machine, Problem> {
    let image = Image {
        test_commands: true,
        ..Image::of(board)
    };
    Machine::boot(&image.build()?, board, None)
}

/// Whatever fails ends in a message and a failure code, on both boards.
fn ends_with(command: u8, message: &str) {
    for board in Board::ALL {
        let Some(mut machine) = or_skip(test_machine(board)) else {
            return;
        };
        machine.command(command).unwrap();
        machine.wait_for(message).unwrap();
        let status = machine.wait_end().unwrap();
        assert_eq!(status.code(), Some(1), "{board}: {:?}", machine.log());
    }
}

#[test]
fn a_panic_ends_in_a_message_and_a_failure_code() {
    ends_with(b'p', "PANIC");
}

#[test]
fn a_stack_overflow_ends_in_a_message_and_a_failure_code() {
    ends_with(b'o', "FAULT stack overflow");
}

#[test]
fn a_write_to_a_bad_address_ends_in_a_message_and_a_failure_code() {
    ends_with(b'w', "address 0x60000000");
}
