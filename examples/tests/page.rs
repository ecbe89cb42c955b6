//! The page of `echo-server --admin`, in a browser.

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return unix::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}

#[cfg(unix)]
mod unix {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::{Command, ExitCode, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::thread::{self, JoinHandle};

    use linecho_trials::browser::{Browser, Viewport};
    use linecho_trials::process::{PATIENCE, Running, listening_address};
    use linecho_trials::{Stop, conclude, trials};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use serde_json::json;

    const PHONE: Viewport = Viewport {
        width: 390,
        height: 844,
        mobile: true,
    };

    pub(crate) fn main() -> ExitCode {
        conclude(trials![
            a_load_is_seen_to_begin_and_to_end,
            the_end_of_the_server_is_told,
            everything_can_be_read_on_a_phone,
        ])
    }

    /// Starts a server, and opens its page.
    fn start(more: &[&str]) -> Result<(Running, SocketAddr, Browser), Stop> {
        let mut browser = Browser::start(PHONE)?;
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let admin = free.unwrap().to_string();
        let mut process = Command::new(env!("CARGO_BIN_EXE_echo-server"))
            .args(["--quiet", "--listen", "127.0.0.1:0", "--admin", &admin])
            .args(more)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let address = listening_address(&mut process).unwrap();
        let server = Running(process);
        browser.open(&format!("http://{admin}/"))?;
        browser.wait_for(&text_of("state", "== 'serving'"))?;
        Ok((server, address, browser))
    }

    /// An expression about the text of an element.
    fn text_of(id: &str, condition: &str) -> String {
        format!("document.getElementById('{id}').textContent {condition}")
    }

    /// Connections that send a line when the one before it is back, until they are stopped.
    struct Load {
        stop: Arc<AtomicBool>,
        connections: Vec<JoinHandle<()>>,
    }

    impl Load {
        fn start(address: SocketAddr, connections: usize) -> Self {
            let stop = Arc::new(AtomicBool::new(false));
            let one = |_| {
                let stop = stop.clone();
                thread::spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let mut echo = BufReader::new(stream.try_clone().unwrap());
                    while !stop.load(SeqCst) {
                        stream.write_all(b"a line\n").unwrap();
                        echo.read_line(&mut String::new()).unwrap();
                    }
                })
            };
            let connections = (0..connections).map(one).collect();
            Self { stop, connections }
        }

        fn stop(self) {
            self.stop.store(true, SeqCst);
            for connection in self.connections {
                connection.join().unwrap();
            }
        }
    }

    fn a_load_is_seen_to_begin_and_to_end() -> Result<(), Stop> {
        let (_server, address, mut browser) = start(&[])?;
        for (id, idle) in [("connections", "0"), ("lines", "0"), ("bytes", "0 B")] {
            browser.wait_for(&text_of(id, &format!("== '{idle}'")))?;
        }

        let load = Load::start(address, 3);
        browser.wait_for(&text_of("connections", "== '3'"))?;
        browser.wait_for(&text_of("lines", "!= '0'"))?;
        browser.wait_for(&text_of("bytes", "!= '0 B'"))?;
        browser.wait_for(&text_of("longest", ".match(/^[0-9.]+ m?s$/) != null"))?;
        load.stop();

        browser.wait_for(&text_of("connections", "== '0'"))?;
        browser.wait_for(&text_of("lines", "== '0'"))?;
        browser.wait_for(&text_of("opened", "== '3 so far'"))?;
        let reasons = browser.evaluate("document.getElementById('reasons').innerText")?;
        let reasons = reasons.as_str().unwrap();
        assert!(reasons.contains("closed by the client\t3"), "{reasons}");
        assert!(reasons.contains("reset by the client\t0"), "{reasons}");

        // The curve went up and came down again: its pixels reach from the top to the bottom, and
        // the last of them are at the bottom.
        browser.wait_for(
            "(() => {
                const graph = document.getElementById('graph');
                const { width, height } = graph;
                const { data } = graph.getContext('2d').getImageData(0, 0, width, height);
                const is_drawn = x => y => data[(y * width + x) * 4 + 3] > 127;
                const rows = x => [...Array(height).keys()].filter(is_drawn(x));
                const all = [...Array(width).keys()].flatMap(rows);
                const [top, bottom, last] = [Math.min(...all), Math.max(...all), rows(width - 2)[0]];
                return top < height * .1 && bottom > height * .9 && last > height * .9;
            })()",
        )?;
        Ok(())
    }

    fn the_end_of_the_server_is_told() -> Result<(), Stop> {
        let (mut server, _, mut browser) = start(&["--drain-delay", "1h"])?;
        let signal = |server: &Running, signal| {
            kill(Pid::from_raw(server.0.id().cast_signed()), signal).unwrap();
        };
        signal(&server, Signal::SIGTERM);
        browser.wait_for(&text_of("state", "== 'about to end'"))?;
        signal(&server, Signal::SIGTERM);
        server.0.wait().unwrap();
        browser.wait_for(&text_of("state", "== 'does not answer'"))?;
        Ok(())
    }

    fn everything_can_be_read_on_a_phone() -> Result<(), Stop> {
        let (_server, _, mut browser) = start(&[])?;
        browser.wait_for("document.getElementById('reasons').rows.length == 7")?;
        let script = "(() => {
            const texts = [...document.querySelectorAll('h1, h2, dt, dd, dd b, small, td, a')];
            const graph = document.getElementById('graph').getBoundingClientRect();
            return {
                width: document.documentElement.scrollWidth,
                smallest: Math.min(...texts.map(it => parseFloat(getComputedStyle(it).fontSize))),
                right: Math.max(...texts.map(it => it.getBoundingClientRect().right)),
                graph: [graph.width, graph.bottom],
            };
        })()";
        let seen = browser.evaluate(script)?;
        // Nothing has to be scrolled sideways or made larger, and the curve is on the first screen.
        assert_eq!(seen["width"], json!(390), "{seen}");
        assert!(seen["right"].as_f64() <= Some(390.0), "{seen}");
        assert!(seen["smallest"].as_f64() >= Some(12.0), "{seen}");
        assert!(seen["graph"][0].as_f64() > Some(300.0), "{seen}");
        assert!(seen["graph"][1].as_f64() < Some(844.0), "{seen}");
        Ok(())
    }
}
