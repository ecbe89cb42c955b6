//! usbd-serial on a USB bus in memory, whose host reads and writes packets of 64 bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use embedded_io_async::ErrorType;
use linecho_core::embedded_io::{Read, ReadReady, Write, WriteReady};
use linecho_transports_tests::usb_serial::{Error, UsbSerial};
use usb_device::bus::{PollResult, UsbBus, UsbBusAllocator};
use usb_device::device::{UsbDevice, UsbDeviceBuilder, UsbVidPid};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{UsbDirection, UsbError};
use usbd_serial::SerialPort;

use crate::driven::{MainLoop, Polled};
use crate::peer::Peer;
use crate::table::{Row, row};

const PACKET: usize = 64;

pub(super) fn rows() -> Vec<Row> {
    vec![row("`usbd_serial::SerialPort`", "usbd-serial", serial)]
}

/// The two endpoints for data. Each holds a packet, as hardware does.
#[derive(Default)]
struct Wire {
    to_device: Option<Vec<u8>>,
    to_host: Option<Vec<u8>>,
    /// The host took a packet, and the device has not been told.
    taken: bool,
    /// The bytes that the host took and has not read.
    read: VecDeque<u8>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Wire>>);

impl Shared {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().expect("whole")
    }
}

struct Bus {
    wire: Shared,
    endpoints: usize,
}

/// The serial port allocates its interrupt endpoint first, then the two for data.
const DATA_OUT: usize = 2;
const DATA_IN: usize = 3;

impl UsbBus for Bus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        _: EndpointType,
        _: u16,
        _: u8,
    ) -> usb_device::Result<EndpointAddress> {
        Ok(address.unwrap_or_else(|| {
            self.endpoints += 1;
            EndpointAddress::from_parts(self.endpoints, direction)
        }))
    }

    fn enable(&mut self) {}
    fn reset(&self) {}
    fn set_device_address(&self, _: u8) {}
    fn set_stalled(&self, _: EndpointAddress, _: bool) {}
    fn suspend(&self) {}
    fn resume(&self) {}

    fn is_stalled(&self, _: EndpointAddress) -> bool {
        false
    }

    fn write(&self, _: EndpointAddress, bytes: &[u8]) -> usb_device::Result<usize> {
        let to_host = &mut self.wire.wire().to_host;
        if to_host.is_some() {
            return Err(UsbError::WouldBlock);
        }
        *to_host = Some(bytes.to_vec());
        Ok(bytes.len())
    }

    fn read(&self, _: EndpointAddress, buffer: &mut [u8]) -> usb_device::Result<usize> {
        let packet = self.wire.wire().to_device.take();
        let packet = packet.ok_or(UsbError::WouldBlock)?;
        buffer[..packet.len()].copy_from_slice(&packet);
        Ok(packet.len())
    }

    fn poll(&self) -> PollResult {
        let mut wire = self.wire.wire();
        let ep_out = u16::from(wire.to_device.is_some()) << DATA_OUT;
        let ep_in_complete = u16::from(std::mem::take(&mut wire.taken)) << DATA_IN;
        match ep_out | ep_in_complete {
            0 => PollResult::None,
            _ => PollResult::Data {
                ep_out,
                ep_in_complete,
                ep_setup: 0,
            },
        }
    }
}

/// The firmware: the device, and its serial port.
struct Firmware {
    device: UsbDevice<'static, Bus>,
    serial: UsbSerial<'static, Bus>,
}

impl MainLoop for Firmware {
    fn turn(&mut self) {
        self.device.poll(&mut [&mut self.serial.0]);
    }
}

impl ErrorType for Firmware {
    type Error = Error;
}

impl Read for Firmware {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.serial.read(buffer)
    }
}

impl Write for Firmware {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.serial.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.serial.flush()
    }
}

impl ReadReady for Firmware {
    fn read_ready(&mut self) -> Result<bool, Error> {
        self.serial.read_ready()
    }
}

impl WriteReady for Firmware {
    fn write_ready(&mut self) -> Result<bool, Error> {
        self.serial.write_ready()
    }
}

/// The host's end of the bus.
#[derive(Clone)]
struct Host(Shared);

impl Peer for Host {
    type Reader<'a> = Host;
    type Writer<'a> = Host;
    const HALF_CLOSES: bool = false;

    fn split(&mut self) -> (Host, Host) {
        (self.clone(), self.clone())
    }
}

impl ErrorType for Host {
    type Error = core::convert::Infallible;
}

impl embedded_io_async::Read for Host {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        loop {
            {
                let mut wire = self.0.wire();
                if wire.read.is_empty()
                    && let Some(packet) = wire.to_host.take()
                {
                    wire.taken = true;
                    wire.read.extend(packet);
                }
                if !wire.read.is_empty() {
                    let n = std::io::Read::read(&mut wire.read, buffer);
                    return Ok(n.expect("a queue"));
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

impl embedded_io_async::Write for Host {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        loop {
            {
                let to_device = &mut self.0.wire().to_device;
                if to_device.is_none() {
                    let packet = &bytes[..bytes.len().min(PACKET)];
                    *to_device = Some(packet.to_vec());
                    return Ok(packet.len());
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

async fn serial() -> (Polled<Firmware>, Host) {
    let wire = Shared::default();
    let bus = Bus {
        wire: wire.clone(),
        endpoints: 0,
    };
    let allocator = Box::leak(Box::new(UsbBusAllocator::new(bus)));
    let serial = UsbSerial(SerialPort::new(allocator));
    let device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 1)).build();
    (Polled(Firmware { device, serial }), Host(wire))
}
