//! Tells the linker where the firmware's memory map is, and the program how many slots to have.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=LINECHO_SLOTS");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rustc-link-search={here}/../../../examples/firmware");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    let slots = env::var("LINECHO_SLOTS").unwrap_or_else(|_| "4".into());
    println!("cargo:rustc-env=LINECHO_SLOTS={slots}");
}
