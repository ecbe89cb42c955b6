//! Questions about bytes and lines.

use std::time::Duration;

use super::Check;
use super::pattern::Pattern;
use super::row::{Grade, Question, Row};
use super::wire::{End, Trouble};
use crate::Text;
use crate::client::cause::bytes;
use crate::client::suspect::Suspect;

/// The time in which something that nobody asked for, or the echo of a single byte, would come.
const MOMENT: Duration = Duration::from_millis(250);

impl Check {
    pub(super) fn echo(&self) -> Row {
        let question = Question::Echo;
        let mut wire = match self.wire() {
            Ok(wire) => wire,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        let (unasked, _) = wire.read(4096, MOMENT);
        if !unasked.is_empty() {
            return something_else(&[], &unasked);
        }
        if let Err(trouble) = wire.send(b"linecho ") {
            return Row::trouble(question, &trouble);
        }
        let (early, _) = wire.read(8, MOMENT);
        if early == b"linecho " {
            return Row::new(question, Grade::Bad, "byte echo")
                .found("the beginning of a line came back before its end was sent");
        }
        if !early.is_empty() {
            return something_else(b"linecho ", &early);
        }
        let sent = wire.send(b"check\n");
        match sent.and_then(|()| wire.expect(b"linecho check\n")) {
            Ok(()) => Row::new(question, Grade::Good, "line echo"),
            Err(Trouble::Wrong { expected, mut came }) => {
                came.extend(wire.read(4096, MOMENT).0);
                something_else(&expected, &came)
            }
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }

    /// Sends every byte there is, and sequences that terminals and protocols change.
    pub(super) fn bytes(&self) -> Row {
        let question = Question::Bytes;
        let mut sent: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').collect();
        sent.extend(
            b"\nCR LF\r\n\r\r\nnothing\0\nIAC \xff\xfb\x01 \xff\xff \xff\xf1\n\xe2\x82\xac\n",
        );
        let mut wire = match self.wire() {
            Ok(wire) => wire,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        if let Err(trouble) = wire.send(&sent) {
            return Row::trouble(question, &trouble);
        }
        let (mut came, end) = wire.read(sent.len(), self.patience);
        if came == sent {
            return Row::new(question, Grade::Good, "as they were").figure(256.0, "byte values");
        }
        if end.is_none() {
            came.extend(wire.read(sent.len(), MOMENT).0);
        }
        for (verdict, change) in CHANGES {
            if change(&sent) == came {
                return Row::new(question, Grade::Bad, verdict).found(*verdict);
            }
        }
        if sent.starts_with(&came) {
            let end = end.unwrap_or(End::Never);
            let due = sent.len() as u64;
            return Row::trouble(question, &Trouble::Short { came, due, end });
        }
        let common = came.iter().zip(&sent).take_while(|(a, b)| a == b).count();
        Row::new(question, Grade::Bad, "changed").found(format!(
            "at byte {}: sent {}, got {}",
            common + 1,
            Text(&sent[common..]),
            Text(&came[common..])
        ))
    }

    pub(super) fn pieces(&self) -> Row {
        let question = Question::Pieces;
        let line = b"a line that is sent byte by byte\n";
        let result = self.wire().and_then(|mut wire| {
            for byte in line {
                wire.send(std::slice::from_ref(byte))?;
            }
            wire.expect(line)
        });
        match result {
            Ok(()) => Row::new(question, Grade::Good, "whole"),
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }

    /// Each on a connection of its own, so that nothing pushes it.
    pub(super) fn short_lines(&self) -> Row {
        let question = Question::ShortLines;
        for line in [&b"\n"[..], b"a\n", b"ab\n", b"abc\n"] {
            let length = line.len() as u64;
            let result = self.wire().and_then(|mut wire| wire.echo(line));
            match result {
                Ok(_) => {}
                Err(Trouble::Short {
                    end: End::Never, ..
                }) => {
                    return Row::new(question, Grade::Bad, "held back")
                        .figure(length as f64, "bytes")
                        .found(format!(
                            "a line of {} alone does not come back",
                            bytes(length)
                        ));
                }
                Err(trouble) => return Row::trouble(question, &trouble),
            }
        }
        Row::new(question, Grade::Good, "at once").figure(1.0, "bytes")
    }

    /// Sizes around the usual MTUs, each in one write on a connection of its own.
    pub(super) fn segments(&self) -> Row {
        let question = Question::Segments;
        let mut passed = 0;
        for size in [512, 576, 1220, 1280, 1380, 1460, 1500, 4096, 8960, 9000] {
            let mut line = vec![0; size];
            Pattern.fill(0, &mut line);
            let line: Vec<u8> = line.iter().map(|&byte| byte.max(b' ')).collect();
            let line = [&line[..size - 1], b"\n"].concat();
            let result = self.wire().and_then(|mut wire| wire.echo(&line));
            match result {
                Ok(_) => passed = size,
                Err(Trouble::Short { end, .. }) if passed > 0 => {
                    return Row::new(question, Grade::Bad, "large ones lost")
                        .figure(passed as f64, "bytes")
                        .found(format!(
                            "{passed} bytes in one segment came back, of {size} not all, and {end}: \
                             like a path-MTU black hole"
                        ));
                }
                Err(trouble) => return Row::trouble(question, &trouble),
            }
        }
        Row::new(question, Grade::Good, "all arrive").figure(passed as f64, "bytes")
    }

    pub(super) fn long_lines(&self) -> Row {
        let question = Question::LongLines;
        let mut longest = 0;
        let shorter = [
            16_usize,
            1 << 10,
            1 << 14,
            1 << 16,
            1 << 18,
            1 << 20,
            1 << 22,
        ];
        let shorter = shorter.into_iter().filter(|&it| it < self.longest_line);
        for length in shorter.chain([self.longest_line]) {
            match self.long_line(length) {
                Ok(()) => longest = length,
                Err(trouble) if longest > 0 => {
                    return Row::new(question, Grade::Bad, "cut")
                        .figure(longest as f64, "bytes")
                        .found(format!("a line of {}: {trouble}", bytes(length as u64)));
                }
                Err(trouble) => return Row::trouble(question, &trouble),
            }
        }
        Row::new(question, Grade::Good, "whole").figure(longest as f64, "bytes")
    }

    /// Reads while it sends: a server may give a long line back in pieces.
    fn long_line(&self, length: usize) -> Result<(), Trouble> {
        let mut wire = self.wire()?;
        let mut line: Vec<u8> = (b'a'..=b'z').cycle().take(length - 1).collect();
        line.push(b'\n');
        wire.count(length as u64);
        let mut sending = wire.stream.try_clone()?;
        std::thread::scope(|scope| {
            // If that fails the reader sees why.
            let sender = scope.spawn(|| std::io::Write::write_all(&mut sending, &line));
            let result = wire.expect(&line);
            if result.is_err() {
                let _ = wire.stream.shutdown(std::net::Shutdown::Both);
            }
            let _ = sender.join();
            result
        })
    }

    pub(super) fn stream(&self) -> Row {
        const BYTES: u64 = 4 << 20;
        let question = Question::Stream;
        match self.wire().and_then(|mut wire| wire.stream(Pattern, BYTES)) {
            Ok(took) => Row::new(question, Grade::Good, "intact")
                .figure(BYTES as f64, "bytes")
                .found(format!("in {:.3} s", took.as_secs_f64())),
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }
}

fn something_else(expected: &[u8], came: &[u8]) -> Row {
    let common = came
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let found = match Suspect::find(&expected[..common], &expected[common..], &came[common..]) {
        Some(suspect) => format!("{} came; {suspect}", Text(came)),
        None => format!("{} came", Text(came)),
    };
    Row::new(Question::Echo, Grade::Bad, "not an echo").found(found)
}

type Change = fn(&[u8]) -> Vec<u8>;

/// Damage that devices do to bytes that they take for text or commands.
const CHANGES: &[(&str, Change)] = &[
    ("CR added", |bytes| add_carriage_returns(bytes)),
    ("CR removed", |bytes| {
        let mut out = bytes.to_vec();
        let mut i = 0;
        while i + 1 < out.len() {
            match out[i..i + 2] {
                [b'\r', b'\n'] => drop(out.remove(i)),
                _ => i += 1,
            }
        }
        out
    }),
    ("eighth bit cleared", |bytes| {
        bytes.iter().map(|byte| byte & 0x7f).collect()
    }),
    ("telnet IAC eaten", |bytes| without_telnet(bytes)),
    ("NUL removed", |bytes| {
        bytes.iter().copied().filter(|&byte| byte != 0).collect()
    }),
    ("upper case", |bytes| bytes.to_ascii_uppercase()),
];

fn add_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in bytes {
        if byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// As telnet reads it (RFC 854): IAC IAC is one byte, other commands are none; options have one
/// more.
fn without_telnet(bytes: &[u8]) -> Vec<u8> {
    const IAC: u8 = 255;
    let mut out = Vec::new();
    let mut bytes = bytes.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (IAC, Some(&IAC)) => {
                out.push(IAC);
                bytes.next();
            }
            (IAC, Some(251..=254)) => {
                bytes.next();
                bytes.next();
            }
            (IAC, Some(_)) => drop(bytes.next()),
            (byte, _) => out.push(byte),
        }
    }
    out
}
