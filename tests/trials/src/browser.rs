//! A browser without a window, Debian's `chromium`, driven over its `DevTools` protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use serde_json::{Value, json};

use crate::Stop;
use crate::process::{PATIENCE, Running};

/// A browser with one page. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    // Dropped first: nothing writes to the folder then.
    _process: Running,
    _folder: Folder,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: Value,
    number: u64,
}

/// The size of a page in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub struct Viewport {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
    /// As on a phone: a page that says nothing of its width is drawn small.
    pub mobile: bool,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When this machine has none, or it does not do as it is told.
    pub fn start(viewport: Viewport) -> Result<Self, Stop> {
        if Command::new("chromium").arg("--version").output().is_err() {
            return Err(Stop::no_program("chromium", "chromium"));
        }
        let folder = Folder::new()?;
        // It takes commands on descriptor 3, and answers on descriptor 4. The sandbox needs
        // privileges that a container does not give.
        let script = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                      --no-first-run --user-data-dir=\"$0\" --remote-debugging-pipe \
                      3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(&folder.0)
            .env("HOME", &folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(commands), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Stop::Failed("its pipes are gone".into()));
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let message = serde_json::from_slice(&message.ok()?).ok()?;
                sender.send(message).ok()?;
            }
            Some(())
        });
        let mut browser = Self {
            _process: Running(process),
            _folder: folder,
            commands,
            answers,
            session: Value::Null,
            number: 0,
        };
        let blank = json!({"url": "about:blank"});
        let target = browser.command("Target.createTarget", &blank)?["targetId"].take();
        let flat = json!({"targetId": target, "flatten": true});
        browser.session = browser.command("Target.attachToTarget", &flat)?["sessionId"].take();
        let Viewport {
            width,
            height,
            mobile,
        } = viewport;
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        browser.command("Emulation.setDeviceMetricsOverride", &metrics)?;
        Ok(browser)
    }

    /// Opens this page, and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub fn open(&mut self, url: &str) -> Result<(), Stop> {
        let answer = self.command("Page.navigate", &json!({"url": url}))?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(Stop::Failed(format!("{url}: {error}")));
        }
        self.wait_for("location.href != 'about:blank' && document.readyState == 'complete'")
    }

    /// Returns the value of a JavaScript expression on the page. A promise is waited for.
    ///
    /// # Errors
    ///
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, Stop> {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.command("Runtime.evaluate", &parameters)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].take()),
            error => Err(Stop::Failed(format!("{expression}: {error}"))),
        }
    }

    /// Waits until a JavaScript expression is true on the page.
    ///
    /// # Errors
    ///
    /// When it is not for [`PATIENCE`].
    pub fn wait_for(&mut self, condition: &str) -> Result<(), Stop> {
        let began = Instant::now();
        // While one page makes room for the next, there is none to ask.
        while self.evaluate(condition).unwrap_or_default() != true {
            if began.elapsed() > PATIENCE {
                let text = self.evaluate("document.body.innerText")?;
                return Err(Stop::Failed(format!(
                    "not within {PATIENCE:?}: {condition}\n{text}"
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn command(&mut self, method: &str, parameters: &Value) -> Result<Value, Stop> {
        self.number += 1;
        let mut command = json!({"id": self.number, "method": method, "params": parameters});
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        write!(self.commands, "{command}\0").map_err(failed)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut answer = self.answers.recv_timeout(left).map_err(failed)?;
            // Others are events.
            if answer["id"] == self.number {
                return match &answer["error"] {
                    Value::Null => Ok(answer["result"].take()),
                    error => Err(Stop::Failed(format!("{method}: {error}"))),
                };
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(format!("chromium: {error}"))
}

/// A folder for the browser, which is deleted when this is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Stop> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("linecho-browser-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).map_err(failed)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
