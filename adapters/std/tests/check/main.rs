//! The check of a path: everything is good on a plain connection, and each fault of a relay is
//! found.

mod bad_relay;

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use bad_relay::Fault;
use linecho_std::check::{Check, Grade, Question, Row, ServerCounts};
use linecho_std::{Builder, Client, Handle, Listener, Server, listen, proxy_v1, proxy_v2};

/// An echo that runs until this is dropped.
struct Backend(SocketAddr, Handle);

impl Backend {
    fn start() -> Self {
        Self::with(Server::builder())
    }

    fn with(builder: Builder) -> Self {
        let server = builder.listen(["127.0.0.1:0".parse().unwrap()]).unwrap();
        Self::run(server)
    }

    fn run(server: Server) -> Self {
        let echo = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run());
        echo
    }

    fn check(&self, address: SocketAddr) -> Check {
        let handle = self.1.clone();
        Check::new(&Client::builder(), &[address])
            .limit(Duration::from_secs(120))
            .most_buffered(64 << 20)
            .server_counts(Box::new(move || {
                let counters = handle.totals();
                Some(ServerCounts {
                    closed: counters.peer_closed,
                    reset: counters.reset,
                })
            }))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.1.shutdown();
        self.1.shutdown();
    }
}

fn rows(check: Check) -> Vec<Row> {
    let mut rows = Vec::new();
    check.run(|row| rows.push(row.clone()));
    rows
}

fn row(rows: &[Row], question: Question) -> &Row {
    let found = rows.iter().find(|row| row.question == question);
    found.unwrap_or_else(|| panic!("{question:?} was not asked: {rows:#?}"))
}

#[test]
fn on_a_plain_connection_everything_is_good() {
    let echo = Backend::start();
    let rows = rows(echo.check(echo.0).idle(Duration::from_millis(50)));
    assert_eq!(rows.len(), 21);
    for row in &rows {
        assert_eq!(row.grade, Grade::Good, "{row:#?}");
    }
}

#[test]
fn a_server_that_identifies_itself_is_named() {
    let echo = Backend::with(Server::builder().identify("pod-1"));
    let rows = rows(echo.check(echo.0));
    assert_eq!(rows.len(), 22);
    for row in &rows {
        assert_eq!(row.grade, Grade::Good, "{row:#?}");
    }
    let found = row(&rows, Question::Backends);
    assert_eq!((found.verdict, found.figure.unwrap().value), ("one", 1.0));
    let named = format!("pod-1 ({}) of version ", echo.0);
    assert!(found.found.starts_with(&named), "{found:#?}");
    let found = row(&rows, Question::ProxyHeader);
    assert_eq!(found.verdict, "none");
    assert!(
        found.found.contains("sees this end as its peer"),
        "{found:#?}"
    );
}

#[test]
fn a_relay_hides_the_client_and_two_servers_are_both_named() {
    let (one, two) = (
        Backend::with(Server::builder().identify("pod-1")),
        Backend::with(Server::builder().identify("pod-2")),
    );
    let relays = [one.0, two.0].map(|server| bad_relay::start(server, Fault::None));
    // Both relays are the addresses of one name: the check uses the first that answers.
    let rows = rows(Check::new(&Client::builder(), &relays).most_buffered(1 << 20));
    let found = row(&rows, Question::Backends);
    assert!(found.found.starts_with("pod-1 ("), "{found:#?}");
    let found = row(&rows, Question::ProxyHeader);
    assert!(
        found.found.contains("as its peer, this end is"),
        "{found:#?}"
    );
}

#[test]
fn a_proxy_header_is_compared_with_the_connection() {
    for (version, preface) in [(1, proxy_v1 as linecho_std::Preface), (2, proxy_v2)] {
        let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = Listener::from(socket).require_proxy_header();
        let server = Server::builder().identify("pod-1").on([listener]).unwrap();
        let echo = Backend::run(server);
        let check = |preface| {
            let builder = Client::builder().preface(preface);
            rows(Check::new(&builder, &[echo.0]).most_buffered(1 << 20))
        };
        let good = check(preface);
        let found = row(&good, Question::ProxyHeader);
        assert_eq!(
            (found.verdict, found.grade),
            ("right", Grade::Good),
            "{found:#?}"
        );
        let text = format!("version {version} from 127.0.0.1:");
        assert!(found.found.starts_with(&text), "{found:#?}");

        let others = check(|_, server| proxy_v1("192.0.2.1:9".parse().unwrap(), server));
        let found = row(&others, Question::ProxyHeader);
        assert_eq!(
            (found.verdict, found.grade),
            ("another client", Grade::Poor),
            "{found:#?}"
        );

        let nobody = check(|_, _| b"PROXY UNKNOWN\r\n".to_vec());
        assert_eq!(row(&nobody, Question::ProxyHeader).verdict, "names nobody");
    }
}

/// A fault, the row that names it, its verdict, and the other rows that may be bad because of it.
type Case<'a> = (Fault, Question, &'a str, &'a [Question]);

/// All at the same time, since they mostly wait.
fn find_all(cases: &[Case]) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| find(case));
        }
    });
}

fn find(&(fault, question, verdict, others): &Case) {
    let echo = Backend::start();
    let relay = bad_relay::start(echo.0, fault);
    let mut check = echo.check(relay).patience(Duration::from_millis(1500));
    if fault == Fault::IdleCut {
        check = check.idle(Duration::from_secs(4));
    }
    let rows = rows(check);
    assert_eq!(
        row(&rows, question).verdict,
        verdict,
        "{fault:?}: {rows:#?}"
    );
    for row in &rows {
        let expected = row.question == question || others.contains(&row.question);
        assert!(
            row.grade == Grade::Good || expected,
            "{fault:?} is not to be seen here: {row:#?}"
        );
    }
}

#[test]
fn a_relay_without_a_fault_is_good() {
    find(&(Fault::None, Question::Ending, "FIN", &[]));
}

#[test]
fn faults_of_a_half_close_are_told_apart() {
    use Question::*;
    let ends = [Ending, HalfCloseSeen];
    find_all(&[
        (Fault::HalfCloseDropped, HalfClose, "dropped", &ends),
        (Fault::HalfCloseSwallowed, HalfClose, "swallowed", &ends),
        (
            Fault::InFlightDropped,
            InFlight,
            "lost",
            &[HalfClose, Ending],
        ),
        (Fault::TailDropped, InFlight, "tail lost", &[HalfClose]),
    ]);
}

#[test]
fn faults_of_an_end_are_told_apart() {
    use Question::*;
    find_all(&[
        (Fault::FinNotPassed, Ending, "never", &[Reset]),
        (
            Fault::HalfCloseSwallowed,
            HalfCloseSeen,
            "not seen",
            &[HalfClose, Ending],
        ),
        (Fault::BothReset, Ending, "RST", &[HalfClose, InFlight]),
        (Fault::ResetToFin, Reset, "seen as FIN", &[]),
    ]);
}

#[test]
fn faults_of_a_stream_are_told_apart() {
    use Question::*;
    let also = [LongLines, InFlight, Buffering, Latency];
    find_all(&[
        (Fault::ByteFlipped, Stream, "bytes changed", &also),
        (Fault::ByteLost, Stream, "bytes lost", &also),
        (Fault::SegmentsSwapped, Stream, "parts swapped", &also),
        (Fault::Duplicated, Stream, "bytes duplicated", &also),
    ]);
}

#[test]
fn changes_of_bytes_are_told_apart() {
    use Question::*;
    find_all(&[
        (Fault::EighthBitCleared, Bytes, "eighth bit cleared", &[]),
        (Fault::IacEaten, Bytes, "telnet IAC eaten", &[]),
    ]);
    let echo = Backend::start();
    let relay = bad_relay::start(echo.0, Fault::CrAdded);
    let rows = rows(echo.check(relay));
    let found = row(&rows, Echo);
    assert_eq!(found.verdict, "not an echo", "{rows:#?}");
    assert!(
        found.found.contains("a CR was put before the newline"),
        "{found:#?}"
    );
}

#[test]
fn faults_of_time_and_room_are_told_apart() {
    use Question::*;
    find_all(&[
        (Fault::Stall, SmallWrites, "stall of 40 ms", &[Latency]),
        (Fault::ShortLinesHeld, ShortLines, "held back", &[Pieces]),
        (Fault::Unbounded, Buffering, "without bounds", &[Reset]),
        (
            Fault::NothingOver1400,
            Segments,
            "large ones lost",
            &[LongLines, Stream, InFlight, Latency, Buffering],
        ),
        (Fault::IdleCut, Idle, "cut", &[]),
    ]);
}

#[test]
fn faults_of_connections_are_told_apart() {
    use Question::*;
    find_all(&[
        (Fault::OneConnection, Connections, "few at once", &[Latency]),
        (
            Fault::AnotherServer,
            OneServer,
            "another takes over",
            &[
                Pieces,
                SmallWrites,
                LongLines,
                Stream,
                InFlight,
                Latency,
                Buffering,
                Reset,
            ],
        ),
    ]);
}

/// Of lines, of bytes, of connections, of time.
#[test]
fn each_limit_is_kept() {
    let echo = Backend::start();
    let few = rows(echo.check(echo.0).longest_line(1000).connections(3));
    assert_eq!(row(&few, Question::LongLines).figure.unwrap().value, 1000.0);
    assert_eq!(row(&few, Question::Connections).figure.unwrap().value, 3.0);

    let strict = rows(echo.check(echo.0).stall(Duration::ZERO));
    assert_eq!(row(&strict, Question::SmallWrites).grade, Grade::Poor);

    // The stream alone takes more.
    let cheap = rows(echo.check(echo.0).most_bytes(1 << 20));
    let found = row(&cheap, Question::Buffering);
    assert_eq!(
        (found.verdict, &*found.found),
        ("not asked", "no bytes were left")
    );

    let hasty = rows(echo.check(echo.0).limit(Duration::ZERO));
    let found = row(&hasty, Question::Stream);
    assert_eq!((found.verdict, found.grade), ("not asked", Grade::Unknown));
}

/// A question that has begun does not take longer than the limit, and is not answered by it.
#[test]
fn a_question_that_runs_out_of_time_is_not_answered() {
    let echo = Backend::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        // Two questions are answered: whether somebody is there, and is an echo.
        let mut silent = Vec::new();
        for (number, client) in listener.incoming().flatten().enumerate() {
            match number {
                0..2 => bad_relay::pass(client, echo.0),
                _ => silent.push(client),
            }
        }
    });
    let check = Check::new(&Client::builder(), &[address]);
    let check = check
        .patience(Duration::from_secs(60))
        .limit(Duration::from_millis(500));
    let rows = rows(check);
    let found = row(&rows, Question::Tcp);
    assert_eq!(
        (found.verdict, found.grade),
        ("not finished", Grade::Unknown)
    );
    for row in &rows[3..] {
        assert_eq!((row.verdict, row.grade), ("not asked", Grade::Unknown));
    }
}

/// Its greeting shows the new connection, also where no line is cut in two.
#[test]
fn a_greeting_in_mid_stream_is_another_server() {
    let echo = Backend::with(Server::builder().identify("pod-1"));
    let relay = bad_relay::start(echo.0, Fault::AnotherServer);
    let rows = rows(echo.check(relay).patience(Duration::from_millis(1500)));
    let found = row(&rows, Question::OneServer);
    assert_eq!(found.verdict, "another takes over", "{rows:#?}");
    assert!(found.found.contains("greeted once more"), "{found:#?}");
}

#[test]
fn nobody_and_other_services_are_named() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let found = rows(Check::new(&Client::builder(), &[address]));
    assert_eq!((found.len(), found[0].verdict), (1, "none answers"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-Example\r\n");
            // Until the client goes.
            thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
    let found = rows(Check::new(&Client::builder(), &[address]));
    assert_eq!((found.len(), found[1].verdict), (2, "not an echo"));
    assert!(found[1].found.contains("SSH server"), "{found:#?}");
}
