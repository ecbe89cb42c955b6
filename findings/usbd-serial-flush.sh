#!/bin/sh
# usbd-serial: `embedded_io::Write::flush` does not wait for the host, as the trait asks, but fails
# with kind `Other` as long as something is left to send: `?` after it ends a healthy connection.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "finding"
edition = "2024"
[dependencies]
embedded-io = "=0.6.1"
usb-device = { version = "=0.3.2", default-features = false }
usbd-serial = "=0.2.2"
END
cat > src/main.rs <<'END'
use embedded_io::{Error, Write};
use std::sync::Mutex;
use usb_device::bus::{PollResult, UsbBus, UsbBusAllocator};
use usb_device::device::{UsbDeviceBuilder, UsbVidPid};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result, UsbDirection, UsbError};

/// A bus whose hardware holds one packet for the host.
struct Bus(usize, Mutex<Option<Vec<u8>>>);

impl UsbBus for Bus {
    fn alloc_ep(
        &mut self, direction: UsbDirection, address: Option<EndpointAddress>, _: EndpointType, _: u16, _: u8,
    ) -> Result<EndpointAddress> {
        self.0 += 1;
        Ok(address.unwrap_or(EndpointAddress::from_parts(self.0, direction)))
    }
    fn write(&self, _: EndpointAddress, bytes: &[u8]) -> Result<usize> {
        let mut packet = self.1.lock().unwrap();
        if packet.is_some() {
            return Err(UsbError::WouldBlock);
        }
        *packet = Some(bytes.to_vec());
        Ok(bytes.len())
    }
    fn read(&self, _: EndpointAddress, _: &mut [u8]) -> Result<usize> { Err(UsbError::WouldBlock) }
    fn poll(&self) -> PollResult { PollResult::None }
    fn is_stalled(&self, _: EndpointAddress) -> bool { false }
    fn set_stalled(&self, _: EndpointAddress, _: bool) {}
    fn set_device_address(&self, _: u8) {}
    fn enable(&mut self) {}
    fn reset(&self) {}
    fn suspend(&self) {}
    fn resume(&self) {}
}

fn main() {
    let bus = UsbBusAllocator::new(Bus(0, Mutex::new(None)));
    let mut serial = usbd_serial::SerialPort::new(&bus);
    let device = UsbDeviceBuilder::new(&bus, UsbVidPid(0x1209, 1)).build();
    let mut write_and_flush = |bytes: &[u8]| {
        Write::write(&mut serial, bytes).unwrap();
        let flushed = Write::flush(&mut serial).map_err(|error| error.kind());
        println!("write {} bytes, flush: {flushed:?}", bytes.len());
        flushed.is_err()
    };
    let small = write_and_flush(b"one");
    // The host takes that packet; the next one leaves room for no other.
    device.bus().1.lock().unwrap().take();
    let large = write_and_flush(&[b'x'; 100]);
    std::process::exit(i32::from(!(!small && large)));
}
END
echo "usbd-serial 0.2.2, usb-device 0.3.2"
cargo run --quiet
