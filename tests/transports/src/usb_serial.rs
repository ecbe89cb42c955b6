//! `usbd_serial::SerialPort` for [`linecho_core::polled`]: copy this file into your firmware.
//!
//! usbd-serial 0.2 implements the traits of embedded-io 0.6, whose calls wait for the host in a
//! loop that nobody can leave. Here they are those of 0.7, and one that would wait says
//! `Interrupted`: the driver asks again in its next turn, after your main loop has polled the USB
//! device.

use linecho_core::embedded_io::{self, ErrorKind, Read, ReadReady, Write, WriteReady};
use usb_device::UsbError;
use usb_device::bus::UsbBus;
use usbd_serial::SerialPort;

/// A serial port over USB.
pub struct UsbSerial<'a, B: UsbBus>(pub SerialPort<'a, B>);

/// An error of the USB device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub UsbError);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "USB: {:?}", self.0)
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self.0 {
            UsbError::WouldBlock => ErrorKind::Interrupted,
            UsbError::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        }
    }
}

impl<B: UsbBus> embedded_io::ErrorType for UsbSerial<'_, B> {
    type Error = Error;
}

impl<B: UsbBus> Read for UsbSerial<'_, B> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.0.read(buffer).map_err(Error)
    }
}

impl<B: UsbBus> ReadReady for UsbSerial<'_, B> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        embedded_io_06::ReadReady::read_ready(&mut self.0)
            .map_err(|_| Error(UsbError::InvalidState))
    }
}

impl<B: UsbBus> Write for UsbSerial<'_, B> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.write(bytes).map_err(Error)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush().map_err(Error)
    }
}

impl<B: UsbBus> WriteReady for UsbSerial<'_, B> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        // A packet that can go makes room; the port itself sees it only at its next poll.
        match self.0.flush() {
            Ok(()) | Err(UsbError::WouldBlock) => {}
            Err(error) => return Err(Error(error)),
        }
        embedded_io_06::WriteReady::write_ready(&mut self.0)
            .map_err(|_| Error(UsbError::InvalidState))
    }
}
