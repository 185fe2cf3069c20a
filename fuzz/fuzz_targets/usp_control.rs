#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::sink::limacharlie::message::fuzz(data));
