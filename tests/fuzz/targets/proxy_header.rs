#![no_main]
#![doc = "Fuzzes [`linecho_fuzz::proxy_header`] with `cargo fuzz`."]
libfuzzer_sys::fuzz_target!(|input: &[u8]| linecho_fuzz::proxy_header(input));
