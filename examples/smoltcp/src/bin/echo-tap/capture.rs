//! The capture of `--pcap`, which holds up neither service nor signals, whoever reads it.

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::time::Duration;

use linecho_devices::Pcap;
use linecho_devices::pcap::{Background, Captured};
use linecho_examples::log::{Level, Log};
use linecho_smoltcp::smoltcp::phy::{Device, Medium};

use crate::options::Arguments;

/// The time that the reader has at the end to take what is left.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A capture, and what its user was told about it.
#[derive(Debug)]
pub(crate) struct Capture {
    pcap: Pcap<Background>,
    is_lossy: bool,
    has_failed: bool,
}

impl Capture {
    /// Starts the capture that was asked for, if any.
    pub(crate) fn start(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let pcap = match &arguments.pcap {
            None => Pcap::off(),
            Some(path) => {
                let writer = if arguments.captures_to_stdout() {
                    let stdout = io::stdout().as_fd().try_clone_to_owned();
                    stdout.and_then(|stdout| Background::new(File::from(stdout)))
                } else {
                    Background::create(path)
                };
                let failed = |error| format!("cannot write {}: {error}", path.display());
                Pcap::new(writer.map_err(failed)?, Medium::Ethernet)
            }
        };
        Ok(Self {
            pcap,
            is_lossy: false,
            has_failed: false,
        })
    }

    /// Lays the capture around `device` for a turn of the stack.
    pub(crate) fn around<'a, D: Device>(
        &'a mut self,
        device: &'a mut D,
    ) -> Captured<'a, D, Background> {
        self.pcap.around(device)
    }

    /// Has the frames of a turn written, and says when the capture is not what it should be.
    pub(crate) fn flush(&mut self, log: &Log) {
        self.pcap.flush();
        if !self.is_lossy && self.pcap.dropped() > 0 {
            self.is_lossy = true;
            let text = "frames are missing in the capture, whose reader is too slow or absent";
            log.event(Level::Warning, text, &[]);
        }
        if !self.has_failed
            && let Some(error) = self.pcap.error()
        {
            self.has_failed = true;
            let text = format!("the capture ends here, since it cannot be written: {error}");
            log.event(Level::Warning, &text, &[]);
        }
    }

    /// Writes what is left, and sums up what is missing.
    pub(crate) fn finish(mut self, log: &Log) {
        self.flush(log);
        if let Some(writer) = self.pcap.take_writer()
            && let Err(error) = writer.finish(LAST_WAIT)
        {
            let text = match error.kind() {
                ErrorKind::TimedOut => "nobody has read the end of the capture".into(),
                _ => format!("the end of the capture cannot be written: {error}"),
            };
            log.event(Level::Warning, &text, &[]);
        }
        let (frames, dropped) = (self.pcap.frames(), self.pcap.dropped());
        if dropped > 0 {
            let details = [("captured", frames.into()), ("missing", dropped.into())];
            log.event(Level::Warning, "the capture is not complete", &details);
        }
    }
}
