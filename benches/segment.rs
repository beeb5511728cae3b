//! How many bodies a second are counted in SMS parts.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smsgw_core::segment::{segment, split};

fn segments(c: &mut Criterion) {
    let bodies = [
        ("one part of GSM 7-bit", "Su codigo es 123456. No lo comparta con nadie."[..].repeat(2)),
        ("ten parts of GSM 7-bit", "a".repeat(1_530)),
        ("ten parts of the extension table", "[€]".repeat(255)),
        ("one part of UCS-2", "Ваш код 123456. Никому его не сообщайте.".to_owned()),
        ("ten parts of emoji", "😀".repeat(330)),
    ];
    let mut group = c.benchmark_group("segment");
    group.throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (name, body) in &bodies {
        group.bench_function(format!("count, {name}"), |bencher| bencher.iter(|| segment(black_box(body))));
    }
    let (name, body) = &bodies[4];
    group.bench_function(format!("split, {name}"), |bencher| bencher.iter(|| split(black_box(body))));
    group.finish();
}

criterion_group!(benches, segments);
criterion_main!(benches);
