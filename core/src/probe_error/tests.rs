use std::string::ToString;

use super::*;

#[test]
fn errors_speak_in_words() {
    let position = Position { line: 2, byte: 3 };
    let mismatch = |expected, got| {
        let error = ProbeError::Mismatch {
            position,
            expected,
            got,
        };
        error.to_string()
    };
    let unsent = |got| ProbeError::Unsent { position, got }.to_string();
    let missing = |bytes| ProbeError::Missing { position, bytes }.to_string();
    let texts = [
        (mismatch(b'o', b'x'), "line 2, byte 3: 'o' came back as 'x'"),
        (
            mismatch(b'\n', 0),
            r"line 2, byte 3: '\n' came back as '\x00'",
        ),
        (
            mismatch(b'\'', 0xff),
            r"line 2, byte 3: '\'' came back as '\xff'",
        ),
        (
            unsent(b' '),
            "line 2, byte 3: ' ' came back, which had not been sent",
        ),
        (
            missing(1),
            "line 2, byte 3: the peer closed with 1 byte missing",
        ),
        (
            missing(14),
            "line 2, byte 3: the peer closed with 14 bytes missing",
        ),
        (
            ProbeError::Io(ErrorKind::TimedOut).to_string(),
            "input or output failed: TimedOut",
        ),
        (QueueFull.to_string(), "no room to queue the line"),
    ];
    for (text, expected) in texts {
        assert_eq!(text, expected);
    }
}
