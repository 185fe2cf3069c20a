#![allow(clippy::all, clippy::pedantic)]
use std::time::{Duration, Instant};
fn run(name: &str, seconds: u64, fuzz: fn(&[u8])) {
    let mut seeds: Vec<Vec<u8>> = vec![];
    for d in [name.to_string()] {
        for e in std::fs::read_dir(format!("testdata/fuzz/{d}")).unwrap() {
            seeds.push(std::fs::read(e.unwrap().path()).unwrap());
        }
    }
    seeds.retain(|s| s.len() < 20000);
    let words: [&[u8]; 14] = [
        b"--",
        b"\n",
        b"\r\n",
        b"--b",
        b"\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: message/rfc822\n",
        b"=",
        b"\r",
        b"--b--",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"a",
        b":",
        b"\0",
    ];
    let mut x: u64 = 88172645463325252 ^ (name.len() as u64) ^ (std::process::id() as u64) << 20;
    let mut r = |n: usize| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) as usize % n.max(1)
    };
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        let mut d = seeds[r(seeds.len())].clone();
        for _ in 0..=r(6) {
            let at = r(d.len() + 1);
            match r(5) {
                0 if at < d.len() => d[at] = r(256) as u8,
                1 => {
                    let w = words[r(words.len())];
                    d.splice(at..at, w.iter().copied());
                }
                2 => {
                    let end = (at + r(40)).min(d.len());
                    d.drain(at..end);
                }
                3 => {
                    let end = (at + r(200)).min(d.len());
                    let p = d[at..end].to_vec();
                    let to = r(d.len() + 1);
                    d.splice(to..to, p);
                }
                _ => {
                    let o = seeds[r(seeds.len())].clone();
                    let a = r(o.len() + 1);
                    let e = (a + r(300)).min(o.len());
                    d.splice(at..at, o[a..e].iter().copied());
                }
            }
        }
        d.truncate(6000);
        if std::panic::catch_unwind(|| fuzz(&d)).is_err() {
            std::fs::write(format!("/tmp/mime-crash-{name}"), &d).unwrap();
            panic!("{name}");
        }
        n += 1;
    }
    println!("{name}: {n} runs");
}
#[test]
fn entity() {
    run("mime_entity", 100, mailtap::mime::entity::fuzz)
}
#[test]
fn pkcs7() {
    run("pkcs7", 60, mailtap::mime::pkcs7::fuzz)
}
#[test]
fn parameter() {
    run("parameter", 30, mailtap::mime::parameter::fuzz)
}
#[test]
fn transfer() {
    run("transfer", 30, mailtap::mime::transfer::fuzz)
}
#[test]
fn tnef() {
    run("tnef", 30, mailtap::mime::tnef::fuzz)
}
#[test]
fn event() {
    run("event", 60, mailtap::event::build::fuzz)
}
