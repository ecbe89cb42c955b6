//! The client against servers that are right, wrong, slow or gone.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use linecho_std::{Client, ClientError, Place, ProbeError, Summary};
use socket2::SockRef;

const LIMIT: Duration = Duration::from_secs(20);

/// A server for one connection.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// The plainest right server: whole lines, and the rest at the end of input.
fn echo_lines(stream: TcpStream) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let (mut output, mut line) = (stream, Vec::new());
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        output.write_all(&line).unwrap();
        line.clear();
    }
}

/// Reads `n` bytes, answers with `answer`, then waits for the client to go.
fn answer(n: usize, answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        stream.read_exact(&mut vec![0; n]).unwrap();
        stream.write_all(answer).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn connect(address: SocketAddr) -> Client {
    Client::connect(address, LIMIT).unwrap()
}

fn filter(client: Client, input: &[u8]) -> (Result<Summary, ClientError>, Vec<u8>) {
    let mut output = Vec::new();
    let result = client.filter(Cursor::new(input.to_vec()), &mut output);
    (result, output)
}

#[test]
fn lines_come_back_on_a_lasting_connection() {
    let mut client = connect(server(echo_lines));
    for line in [&b"hello"[..], b"", b"\r", b"\0\xff", &[b'x'; 300_000]] {
        assert!(client.echo(line).unwrap() <= LIMIT);
    }
    assert!(matches!(client.echo(b"a\nb"), Err(ClientError::Input(_))));
    client.echo(b"still there").unwrap();
}

#[test]
fn a_wrong_byte_is_named_by_line_and_byte() {
    let (result, output) = filter(connect(answer(8, b"one\ntwX\n")), b"one\ntwo\n");
    let expected = ProbeError::Mismatch {
        place: Place { line: 2, byte: 3 },
        expected: b'o',
        got: b'X',
    };
    assert!(matches!(result, Err(ClientError::Probe(error)) if error == expected));
    assert_eq!(output, b"one\ntwX\n", "what came back is shown as it came");
}

#[test]
fn a_server_that_closes_early_leaves_bytes_missing() {
    let early = server(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\n").unwrap();
    });
    let (result, output) = filter(connect(early), b"one\ntwo\n");
    let Err(ClientError::Probe(ProbeError::Missing { place, bytes })) = result else {
        panic!("{result:?}");
    };
    assert_eq!((place, bytes), (Place { line: 2, byte: 1 }, 4));
    assert_eq!(output, b"one\n");
}

#[test]
fn a_silent_server_is_given_up() {
    let mut client = connect(answer(6, b""));
    client.set_timeout(Duration::from_millis(50));
    let error = client.echo(b"hello").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, byte 1: nothing came back for 50ms"
    );
}

#[test]
fn a_filter_ends_though_the_server_does_not_close() {
    let (result, output) = filter(connect(answer(3, b"x\ny")), b"x\ny");
    let summary = result.unwrap();
    assert_eq!((summary.lines, summary.bytes), (1, 3));
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

/// Pieces of the input that come while as much is in flight as may be are not forgotten when all of it
/// comes back at once.
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
        // One piece is sent, two wait, and one is held by the thread that reads: it wakes nobody more.
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
        let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        linger.unwrap();
        drop(stream);
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

#[test]
fn a_timeout_may_be_as_long_as_can_be() {
    let mut client = Client::connect(server(echo_lines), Duration::MAX).unwrap();
    client.echo(b"hello").unwrap();
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let good = server(echo_lines);
    let mut client = Client::connect(&[refusing(), good][..], LIMIT).unwrap();
    assert_eq!(client.peer_addr().unwrap(), good);
    client.echo(b"hello").unwrap();
}

#[test]
fn no_connection_names_each_address_and_cause() {
    let nobody = refusing();
    let error = Client::connect(&[nobody, nobody][..], LIMIT).unwrap_err();
    assert_eq!(error.attempts.len(), 2);
    let text = error.to_string();
    assert!(
        text.contains(&nobody.to_string()) && text.contains("refused"),
        "{text}"
    );
    let error = Client::connect("not an address", LIMIT).unwrap_err();
    assert!(error.cause.is_some());
}

/// An address where nobody listens.
fn refusing() -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    address.unwrap()
}
