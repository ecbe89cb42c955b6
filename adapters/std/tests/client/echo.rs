//! Single lines: echoed, watched between, and what is wrong with them in words.

use std::io::{Cursor, Read as _, Write as _};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use linecho_std::{Cause, Client, ClientError};

use crate::kit::*;

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
fn a_silent_server_is_given_up() {
    let mut client = connect(answer(6, b""));
    client.set_timeout(Duration::from_millis(50));
    let error = client.echo(b"hello").unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout);
    let text = error.to_string();
    assert!(
        text.starts_with("line 1, byte 1: nothing came back for 50ms"),
        "{text}"
    );
}

#[test]
fn a_timeout_may_be_as_long_as_can_be() {
    let mut client = Client::connect(server(echo_lines), Duration::MAX).unwrap();
    client.echo(b"hello").unwrap();
}

/// All of them are of the same TCP, which acknowledges.
#[cfg(target_os = "linux")]
#[test]
fn what_the_kernel_knows_of_a_silence_is_said() {
    let mut client = connect(answer(6, b""));
    client.set_timeout(Duration::from_millis(200));
    let text = client.echo(b"hello").unwrap_err().to_string();
    assert!(
        text.contains("everything that was sent is acknowledged"),
        "{text}"
    );

    // It reads nothing, and its window closes.
    let mut client = connect(server(|stream| {
        thread::sleep(LIMIT);
        drop(stream);
    }));
    client.set_timeout(Duration::from_millis(300));
    let text = client.echo(&[b'x'; 32 << 20]).unwrap_err().to_string();
    assert!(text.contains("the server does not read"), "{text}");
}

#[test]
fn no_timeout_waits_as_long_as_it_takes() {
    let mut client = Client::builder()
        .timeout(Duration::ZERO)
        .connect(server(|mut stream| {
            stream.read_exact(&mut [0; 6]).unwrap();
            thread::sleep(Duration::from_millis(100));
            stream.write_all(b"hello\n").unwrap();
        }))
        .unwrap();
    client.echo(b"hello").unwrap();
}

#[test]
fn what_came_is_shown_and_the_usual_suspects_are_named() {
    for (line, came, cause, part) in [
        (
            &b"hello"[..],
            &b"HELLO\n"[..],
            Cause::Mismatch,
            "upper case",
        ),
        (
            b"hello",
            b"hello\r\n",
            Cause::Mismatch,
            "a CR was put before",
        ),
        (
            b"hello",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            Cause::NotAnEcho,
            "web server",
        ),
        (
            b"hello",
            b"\xff\xfd\x18",
            Cause::NotAnEcho,
            r#"but "\xff\xfd\u{18}" came"#,
        ),
    ] {
        let error = connect(answer(line.len() + 1, came))
            .echo(line)
            .unwrap_err();
        let text = error.to_string();
        assert_eq!(error.cause(), cause, "{text}");
        assert!(text.contains(part), "{text}");
        assert!(text.ends_with("this is not a line echo"), "{text}");
    }
}

#[test]
fn a_line_that_comes_twice_is_noticed() {
    let mut client = connect(answer(6, b"hello\nhello\n"));
    let error = client.echo(b"hello").and_then(|_| client.echo(b"more"));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("once more"), "{text}");
}

/// At the prompt nothing is typed, and the server goes.
#[test]
fn between_lines_the_connection_is_watched() {
    let (go, is_going) = channel::<()>();
    let mut client = connect(server(move |mut stream| {
        stream.read_exact(&mut [0; 6]).unwrap();
        stream.write_all(b"hello\n").unwrap();
        is_going.recv_timeout(LIMIT).unwrap();
    }));
    let (_keep, wait) = channel::<()>();
    struct Open(std::sync::mpsc::Receiver<()>);
    impl std::io::Read for Open {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(0)
        }
    }
    let mut input = client
        .input(Cursor::new(b"hello\n").chain(Open(wait)))
        .unwrap();
    let line = client.next_line(&mut input).unwrap().unwrap();
    client.echo(&line).unwrap();
    go.send(()).unwrap();
    let (done, is_done) = channel();
    thread::spawn(move || done.send(client.next_line(&mut input)));
    let result = is_done.recv_timeout(LIMIT).expect("it is noticed");
    assert!(matches!(result, Err(ClientError::Ended(_))), "{result:?}");
}

#[test]
fn lines_of_an_input_come_one_by_one_and_the_last_without_newline() {
    let mut client = connect(server(echo_lines));
    let mut input = client.input(Cursor::new(b"one\n\nrest")).unwrap();
    for line in [Some(&b"one"[..]), Some(b""), Some(b"rest"), None] {
        assert_eq!(client.next_line(&mut input).unwrap().as_deref(), line);
    }
}
