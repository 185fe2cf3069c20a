#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::mime::pkcs7::fuzz(data));
