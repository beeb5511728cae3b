//! How many messages a second are written to devices and read from them, in the words of each protocol.

#[path = "fixtures/message.rs"]
mod message;
#[path = "wire/words.rs"]
mod words;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smsgw_mqtt::measuring::{read, write};
use smsgw_mqtt::wire::Down;
use words::{heard, spoken};

fn wire(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (name, downlink) in spoken() {
        group.bench_function(format!("write {name}"), |bencher| bencher.iter(|| write(black_box(&downlink))));
    }
    for (name, topic, payload) in heard() {
        assert!(read(&topic, payload.as_bytes()).is_some(), "{name}");
        group.bench_function(format!("read {name}"), |bencher| {
            bencher.iter(|| read(black_box(&topic), black_box(payload.as_bytes())))
        });
    }
    let (_, down) = write(&spoken()[0].1).expect("it has words for a message");
    group.bench_function("device reads native message", |bencher| {
        bencher.iter(|| Down::parse(black_box(&down)).expect("our own words"))
    });
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
