//! The fuzz targets of what devices and brokers write, for a few seconds and without a fuzzer.

use smsgw_test_support::fuzz::smoke;

#[test]
fn targets_hold_over_their_corpus_and_mutations_of_it() {
    smoke(smsgw_mqtt::fuzzing::TARGETS);
}
