#![no_main]

#[path = "../properties/answers.rs"]
mod answers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| answers::check(input));
