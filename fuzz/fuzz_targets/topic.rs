#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsgw_mqtt::fuzzing::topic(data));
