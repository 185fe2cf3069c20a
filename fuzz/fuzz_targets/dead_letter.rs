#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::dead_letter::fuzz(data));
