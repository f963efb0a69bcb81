#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| podmirror_fuzz::rates_and_flags::run(data));
