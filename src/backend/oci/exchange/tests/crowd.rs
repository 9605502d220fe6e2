//! Tests of concurrent access.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bench, Digest};

/// Bytes that differ for every number.
fn noise(number: u8, size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| at.wrapping_mul(31).to_le_bytes()[1] ^ number)
        .collect()
}

#[test]
fn eight_pulls_while_four_push_lose_nothing() {
    let bench = &Bench::new();
    let size = 3_000_001;
    let digests: Vec<Digest> = (0..4).map(|n| bench.push(&noise(n, size))).collect();
    let digests = &digests;
    std::thread::scope(|scope| {
        for puller in 0..8 {
            scope.spawn(move || {
                for round in 0..4 {
                    let digest = digests[(puller + round) % 4];
                    let said = bench.ask("GET", &bench.of(&format!("blobs/{digest}")));
                    assert_eq!(Digest::of(&said.body), digest);
                }
            });
        }
        for pusher in 0..4 {
            scope.spawn(move || {
                for round in 0..3 {
                    let layer = noise(100 + pusher * 10 + round, size);
                    let tag = format!("{pusher}-{round}");
                    let digest = bench.push_image(&layer, &tag);
                    let found = bench.exchange.find("a", &tag).unwrap().unwrap();
                    assert_eq!(found.digest, digest);
                    let layer = bench.store().size(Digest::of(&layer)).unwrap();
                    assert_eq!(layer, Some(size as u64));
                }
            });
        }
    });
    let tags = bench.ask("GET", &bench.of("tags/list")).text();
    assert_eq!(tags.matches('-').count(), 12, "{tags}");
}

#[test]
fn one_blob_pushed_by_many_is_there_once() {
    let bench = &Bench::new();
    let blob = &noise(1, 2_000_000);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(move || bench.push(blob));
        }
    });
    let folder = bench.store().folder().join("blobs/sha256");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn a_reader_never_sees_half_a_blob() {
    let bench = &Bench::new();
    let blob = &noise(2, 8_000_000);
    let digest = Digest::of(blob);
    let url = &bench.of(&format!("blobs/{digest}"));
    let is_pushed = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !is_pushed.load(Ordering::SeqCst) {
                    let said = bench.ask("GET", url);
                    assert!(said.status == 404 || said.body == *blob);
                }
                assert_eq!(bench.ask("GET", url).body, *blob);
            });
        }
        let pusher = scope.spawn(move || {
            let upload = bench.begin();
            for (number, chunk) in blob.chunks(1_000_000).enumerate() {
                let first = number * 1_000_000;
                let range = format!("{first}-{}", first + chunk.len() - 1);
                let said = bench.send("PATCH", &upload, &[("Content-Range", &range)], chunk);
                assert_eq!(said.status, 202, "{}", said.text());
            }
            let end = format!("{upload}?digest={digest}");
            let said = bench.send("PUT", &end, &[], b"");
            assert_eq!(said.status, 201, "{}", said.text());
        });
        let ended = pusher.join();
        is_pushed.store(true, Ordering::SeqCst);
        ended.unwrap();
    });
}

#[test]
fn who_reads_slowly_holds_nobody_up() {
    let bench = Bench::new();
    let digest = bench.push(&noise(3, 20_000_000));
    let url = bench.of(&format!("blobs/{digest}"));
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut body = bench
                .agent
                .get(&url)
                .call()
                .unwrap()
                .into_body()
                .into_reader();
            body.read_exact(&mut [0; 10]).unwrap();
            body
        })
        .collect();
    assert_eq!(bench.ask("GET", &url).body.len(), 20_000_000);
    bench.push(b"meanwhile");
    drop(bench.exchange);
    drop(slow);
}
