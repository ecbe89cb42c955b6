#![no_main]
#![doc = "Fuzzes [`linecho_fuzz::hashed_listener`] with `cargo fuzz`."]
libfuzzer_sys::fuzz_target!(|input: &[u8]| linecho_fuzz::hashed_listener(input));
