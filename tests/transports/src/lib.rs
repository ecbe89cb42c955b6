//! Files that users of a transport copy to run linecho over it; the tests are in `tests/`.

#![no_std]

pub mod usb_serial;
