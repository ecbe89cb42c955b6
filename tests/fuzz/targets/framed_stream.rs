#![no_main]
#![doc = "Fuzzes [`linecho_fuzz::framed_stream`] with `cargo fuzz`."]
libfuzzer_sys::fuzz_target!(|input: &[u8]| linecho_fuzz::framed_stream(input));
