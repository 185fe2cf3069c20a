#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::cloud::answer::fuzz(data));
