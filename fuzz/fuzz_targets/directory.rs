#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::sink::limacharlie::discovery::fuzz(data));
