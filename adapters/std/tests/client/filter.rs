//! The filter against servers and relays that are right, wrong, slow or gone.

use std::io::{self, Cursor, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use linecho_std::{Cause, Client, ClientError, Ending, Position};

use crate::kit::*;

#[test]
fn a_wrong_byte_is_named_by_line_and_byte() {
    let (result, output) = filter(connect(answer(8, b"one\ntwX\n")), b"one\ntwo\n");
    let Err(ClientError::Mismatch(mismatch)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(mismatch.place, Position { line: 2, byte: 3 });
    assert_eq!(
        mismatch.to_string(),
        r#"line 2, byte 3: expected "two\n", but "twX\n" came: this is not a line echo"#
    );
    assert_eq!(output, b"one\ntwX\n", "what came back is shown as it came");
}

#[test]
fn a_server_that_closes_early_leaves_bytes_missing() {
    let early = server(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\n").unwrap();
    });
    let (result, output) = filter(connect(early), b"one\ntwo\n");
    let error = result.unwrap_err();
    assert_eq!(error.cause(), Cause::Eof);
    assert_eq!(
        error.to_string(),
        "line 2, byte 1: the connection ended with 4 bytes missing"
    );
    assert_eq!(output, b"one\n");
}

#[test]
fn a_filter_ends_though_the_server_does_not_close() {
    let client = Client::builder().linger(Duration::from_millis(20));
    let client = client.connect(answer_and_stay(3, b"x\ny")).unwrap();
    let (result, output) = filter(client, b"x\ny");
    let summary = result.unwrap();
    assert_eq!((summary.lines, summary.bytes), (1, 3));
    assert_eq!(summary.ending, Ending::Open);
    assert_eq!(output, b"x\ny");
}

#[test]
fn an_empty_filter_ends() {
    let (result, output) = filter(connect(server(echo_lines)), b"");
    assert_eq!((result.unwrap().bytes, output), (0, Vec::new()));
}

#[test]
fn a_filter_sends_lines_of_any_length() {
    let mut input: Vec<u8> = (0..200_000u32)
        .flat_map(|i| format!("{i}\n").into_bytes())
        .collect();
    input.extend(vec![b'x'; 3 << 20]);
    input.extend(b"\nshort\nand the rest");
    let (result, output) = filter(connect(server(echo_lines)), &input);
    assert_eq!(result.unwrap().lines, 200_002);
    assert!(output == input);
}

/// An input whose every `read` does what is said here.
struct Scripted<F>(F);

impl<F: FnMut() -> io::Result<Vec<u8>>> Read for Scripted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = (self.0)()?;
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// An output that tells of its first write, and holds that up until it is let go.
struct HeldUp {
    written: Vec<u8>,
    reached: Sender<()>,
    let_go: Receiver<()>,
}

impl Write for HeldUp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.is_empty() {
            self.reached.send(()).unwrap();
            self.let_go.recv_timeout(LIMIT).unwrap();
        }
        self.written.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn held_up() -> (HeldUp, Receiver<()>, Sender<()>) {
    let (reached, is_reached) = channel();
    let (release, let_go) = channel();
    let output = HeldUp {
        written: Vec::new(),
        reached,
        let_go,
    };
    (output, is_reached, release)
}

/// The server owes nothing then, however long it takes.
#[test]
fn an_input_that_pauses_within_a_line_is_waited_for() {
    let timeout = Duration::from_millis(10);
    let mut client = connect(server(echo_lines));
    client.set_timeout(timeout);
    let mut pieces = 0;
    let input = Scripted(move || {
        pieces += 1;
        if pieces == 1 {
            return Ok(b"the beginning".to_vec());
        }
        thread::sleep(timeout * 20);
        Err(io::Error::other("enough"))
    });
    let error = client.filter(input, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the input: enough");
}

/// It is not the server that is slow.
#[test]
fn an_output_that_is_slow_is_waited_for() {
    let timeout = Duration::from_secs(1);
    let (mut output, is_reached, release) = held_up();
    let mut client = connect(server(move |mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\n").unwrap();
        is_reached.recv_timeout(LIMIT).unwrap();
        stream.write_all(b"two\n").unwrap();
        thread::sleep(timeout * 6 / 5);
        release.send(()).unwrap();
    }));
    client.set_timeout(timeout);
    let summary = client.filter(Cursor::new(b"one\ntwo\n"), &mut output);
    assert_eq!(summary.unwrap().bytes, 8);
    assert_eq!(output.written, b"one\ntwo\n");
}

/// Pieces of the input that come while as much is in flight as may be are not forgotten when all of
/// it comes back at once.
#[test]
fn an_input_that_fills_the_window_exactly_is_sent_on() {
    const LINE: usize = 64;
    let line = [&[b'x'; LINE - 1][..], b"\n"].concat();
    let window = line.repeat(64 * 1024 / LINE);
    let (mut output, is_reached, release) = held_up();
    let (asked, is_asked) = channel();
    let bytes = window.len();
    let client = connect(server(move |mut stream| {
        let mut back = vec![0; bytes];
        stream.read_exact(&mut back).unwrap();
        // One piece is sent, two wait, and one is held by the thread that reads: it wakes nobody
        // more.
        for _ in 0..4 {
            is_asked.recv_timeout(LIMIT).unwrap();
        }
        stream.write_all(&back[..LINE]).unwrap();
        is_reached.recv_timeout(LIMIT).unwrap();
        stream.write_all(&back[LINE..]).unwrap();
        release.send(()).unwrap();
        echo_lines(stream);
    }));
    let mut pieces = vec![window; 4];
    let input = Scripted(move || {
        let _ = asked.send(());
        Ok(pieces.pop().unwrap_or_default())
    });
    let (done, is_done) = channel();
    thread::spawn(move || done.send(client.filter(input, &mut output)));
    let summary = is_done.recv_timeout(LIMIT).expect("it ends").unwrap();
    assert_eq!(summary.lines, 4 * 1024);
}

/// Although sending fails first.
#[test]
fn what_came_before_a_reset_is_shown_and_the_place_named() {
    let (mut output, is_reached, release) = held_up();
    let (is_over, over) = channel();
    let client = connect(server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\n").unwrap();
        is_reached.recv_timeout(LIMIT).unwrap();
        stream.write_all(b"two\n").unwrap();
        reset(stream);
        is_over.send(()).unwrap();
    }));
    let mut pieces = 0;
    let (asked, is_asked) = channel();
    let input = Scripted(move || {
        pieces += 1;
        Ok(match pieces {
            1 => b"one\ntwo\n".to_vec(),
            2 => {
                over.recv_timeout(LIMIT).unwrap();
                b"three\n".to_vec()
            }
            _ => {
                asked.send(()).unwrap();
                Vec::new()
            }
        })
    });
    thread::spawn(move || {
        is_asked.recv_timeout(LIMIT).unwrap();
        release.send(()).unwrap();
    });
    let error = client.filter(input, &mut output).unwrap_err();
    assert_eq!(output.written, b"one\ntwo\n");
    let text = error.to_string();
    assert!(
        text.starts_with("line 3, byte 1: ") && text.contains("reset"),
        "{text}"
    );
}

/// Half of all relays drop what is on its way back then.
#[test]
fn it_half_closes_only_when_all_complete_lines_are_back() {
    let input: Vec<u8> = (0..20_000)
        .flat_map(|i| format!("{i}\n").into_bytes())
        .collect();
    let relay = relay_without_half_close(server(echo_lines));
    let (result, output) = filter(connect(relay), &input);
    assert_eq!(result.unwrap().lines, 20_000);
    assert!(output == input);
}

#[test]
fn a_tail_that_a_relay_drops_is_explained() {
    let relay = relay_without_half_close(server(echo_lines));
    let (result, output) = filter(connect(relay), b"x\ny");
    assert_eq!(output, b"x\n");
    let error = result.unwrap_err();
    assert_eq!(error.cause(), Cause::Eof);
    assert_eq!(
        error.to_string(),
        "line 2, byte 1: the connection ended right after our half-close, 1 byte short: the last line \
         has no newline, so it comes back only at half-close, and something between here and the \
         server does not pass that on"
    );
}

/// As a relay that neither passes a half-close on nor ends.
#[test]
fn a_tail_that_never_comes_is_explained_after_the_timeout() {
    let mut client = connect(answer_and_stay(3, b"x\n"));
    client.set_timeout(Duration::from_millis(50));
    let (result, output) = filter(client, b"x\ny");
    assert_eq!(output, b"x\n");
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("nothing came back for 50ms: the last line has no newline"),
        "{text}"
    );
}

#[test]
fn a_reset_after_everything_is_back_is_told_and_no_error() {
    let (result, _) = filter(
        connect(server(|mut stream| {
            let mut all = Vec::new();
            stream.read_exact(&mut [0; 2]).unwrap();
            stream.write_all(b"x\n").unwrap();
            stream.read_to_end(&mut all).unwrap();
            reset(stream);
        })),
        b"x\n",
    );
    let ending = result.unwrap().ending;
    assert_eq!(ending, Ending::Reset);
}

/// An input that says nothing and does not end.
fn silent() -> impl Read + Send {
    let (keep, wait) = channel::<()>();
    Scripted(move || {
        let _ = (&keep, wait.recv());
        Ok(Vec::new())
    })
}

/// With an input that stays open, the time until an error, which must come by itself.
fn error_while_input_is_open(client: Client, first: &'static [u8]) -> ClientError {
    let (done, is_done) = channel();
    thread::spawn(move || {
        let input = Cursor::new(first).chain(silent());
        done.send(client.filter(input, &mut Vec::new()))
    });
    let result = is_done.recv_timeout(LIMIT).expect("it is noticed");
    result.unwrap_err()
}

#[test]
fn the_servers_end_is_noticed_while_the_input_stays_open() {
    for (first, text) in [
        (&b""[..], "the server has closed the connection"),
        (b"one\n", "the server has closed the connection"),
        (
            b"one\ntw",
            "line 2, byte 1: the connection ended with 2 bytes missing",
        ),
    ] {
        let client = connect(server(move |mut stream| {
            stream.read_exact(&mut vec![0; first.len()]).unwrap();
            stream.write_all(&first[..first.len().min(4)]).unwrap();
        }));
        let error = error_while_input_is_open(client, first);
        assert_eq!((error.cause(), &*error.to_string()), (Cause::Eof, text));
    }
}

#[test]
fn a_reset_is_noticed_while_the_input_stays_open() {
    // Not before the client is set up.
    let (go, is_going) = channel();
    let client = connect(server(move |stream| {
        is_going.recv().unwrap();
        reset(stream);
    }));
    go.send(()).unwrap();
    let error = error_while_input_is_open(client, b"");
    assert_eq!(error.cause(), Cause::Reset, "{error}");
}

#[test]
fn bytes_that_nobody_asked_for_are_noticed_while_the_input_stays_open() {
    let error = error_while_input_is_open(connect(answer(0, b"SSH-2.0-Example\r\n")), b"");
    assert_eq!(error.cause(), Cause::NotAnEcho);
    assert_eq!(
        error.to_string(),
        r#"line 1, byte 1: nothing was to come, but "SSH-2.0-Example\r\n" did; "#.to_owned()
            + "that is an SSH server: this is not a line echo"
    );
}

#[test]
fn an_output_that_closes_leaves_lines_unverified_and_says_from_where() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let client = connect(server(echo_lines));
    let error = client
        .filter(Cursor::new(b"one\n"), &mut Closed)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("from line 1, byte 1 on nothing was verified"),
        "{text}"
    );
}
