#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| podmirror_fuzz::pool_http2::run(data));
