use super::*;
use crate::Pcap;
use smoltcp::phy::{Device as _, Loopback, Medium, TxToken as _};
use smoltcp::time::Instant;
#[cfg(unix)]
use std::fs;
use std::io::{PipeReader, Read};

const LIMIT: Duration = Duration::from_secs(60);
const FRAME_LEN: usize = 1000;

fn capture(pcap: &mut Pcap<Background>, frames: u64) {
    let mut device = Loopback::new(Medium::Ip);
    for _ in 0..frames {
        let mut device = pcap.around(&mut device);
        let token = device.transmit(Instant::ZERO).unwrap();
        token.consume(FRAME_LEN, |frame| frame.fill(7));
        device.receive(Instant::ZERO).unwrap();
    }
    pcap.flush();
}

/// Reads a capture to its end, and returns the number of its frames, all of them whole.
fn frames_in(mut capture: impl Read) -> u64 {
    let mut bytes = Vec::new();
    capture.read_to_end(&mut bytes).unwrap();
    let (header, frames) = bytes.split_at(24);
    assert_eq!(header[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let frames = frames.chunks(16 + FRAME_LEN);
    let count = frames.len() as u64;
    for frame in frames {
        assert_eq!(frame[8..12], (FRAME_LEN as u32).to_le_bytes());
        assert_eq!(frame[16..], [7; FRAME_LEN]);
    }
    count
}

fn finish(mut pcap: Pcap<Background>) {
    let writer = pcap.take_writer().expect("no error has ended it");
    writer.finish(LIMIT).unwrap();
}

#[cfg(unix)]
#[test]
fn a_named_pipe_may_wait_for_its_reader() {
    let path = std::env::temp_dir().join(format!("linecho-capture-{}", std::process::id()));
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut pcap = Pcap::new(Background::create(&path).unwrap(), Medium::Ip);
    capture(&mut pcap, 100);
    let mut reader = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut first = [0];
    reader.read_exact(&mut first).unwrap();
    let reader = thread::spawn(move || frames_in(first.chain(reader)));
    capture(&mut pcap, 100);
    assert_eq!((pcap.frames(), pcap.dropped()), (200, 0));
    finish(pcap);
    assert_eq!(reader.join().unwrap(), 200);
}

fn piped() -> (PipeReader, Pcap<Background>) {
    let (reader, writer) = io::pipe().unwrap();
    (
        reader,
        Pcap::new(Background::new(writer).unwrap(), Medium::Ip),
    )
}

#[test]
fn a_reader_that_pauses_costs_frames_and_no_time() {
    let (reader, mut pcap) = piped();
    while pcap.dropped() == 0 {
        capture(&mut pcap, 100);
    }
    let (frames, dropped) = (pcap.frames(), pcap.dropped());
    assert!(frames * FRAME_LEN as u64 > CAPACITY as u64 / 2, "{frames}");
    let reader = thread::spawn(|| frames_in(reader));
    // There is room again as soon as something was read.
    let room = std::time::Instant::now();
    while pcap.frames() == frames {
        capture(&mut pcap, 1);
        assert!(room.elapsed() < LIMIT);
    }
    assert!(pcap.dropped() >= dropped);
    let frames = pcap.frames();
    finish(pcap);
    assert_eq!(reader.join().unwrap(), frames);
}

#[test]
fn a_reader_that_goes_away_ends_the_capture() {
    let (reader, mut pcap) = piped();
    drop(reader);
    let start = std::time::Instant::now();
    while pcap.error().is_none() {
        capture(&mut pcap, 1);
        assert!(start.elapsed() < LIMIT);
    }
    assert_eq!(pcap.error().unwrap().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn the_end_is_not_waited_for_longer_than_told() {
    let (reader, mut pcap) = piped();
    while pcap.dropped() == 0 {
        capture(&mut pcap, 100);
    }
    let writer = pcap.take_writer().unwrap();
    let error = writer.finish(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(reader);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_without_a_reader_holds_up_no_end() {
    let path = std::env::temp_dir().join(format!("linecho-no-reader-{}", std::process::id()));
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut pcap = Pcap::new(Background::create(&path).unwrap(), Medium::Ip);
    capture(&mut pcap, 1);
    let start = std::time::Instant::now();
    let error = pcap.take_writer().unwrap().finish(LIMIT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < LIMIT / 2);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_at_once() {
    let error = Background::create("/nonexistent/capture.pcap".as_ref()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
