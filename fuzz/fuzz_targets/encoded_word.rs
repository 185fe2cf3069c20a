#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::mime::encoded_word::fuzz(data));
