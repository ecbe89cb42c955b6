//! Tells the linker where the memory map is, and the program how many slots to have.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-changed=device.x");
    println!("cargo:rerun-if-env-changed=LINECHO_SLOTS");

    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rustc-link-search={here}");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");

    let slots = env::var("LINECHO_SLOTS").unwrap_or_else(|_| "4".into());
    if slots.parse::<u8>().is_ok_and(|slots| slots > 0) {
        println!("cargo:rustc-env=LINECHO_SLOTS={slots}");
    } else {
        println!(
            "cargo::error=LINECHO_SLOTS is the number of connections, 1 to 255, not {slots:?}"
        );
    }
}
