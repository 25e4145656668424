#![no_main]

#[path = "../properties/redaction.rs"]
mod redaction;

libfuzzer_sys::fuzz_target!(|input: &[u8]| redaction::check(input));
