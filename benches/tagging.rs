//! Tagging throughput: an average advisory of 2 kB against the whole catalog, on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rattlewatch::platforms::{Catalog, Matcher, TagInput};

fn main() {
    let catalog = Catalog::built_in().expect("the built-in catalog is right");
    let matcher = Matcher::new(&catalog);
    let sentence = "The agency urges operators to review the guidance, apply the update that the maker released, rotate credentials, and watch for unusual sign-ins from unknown addresses. ";
    let text = format!(
        "{}Affected are self-hosted ConnectWise ScreenConnect servers before 99.4 and FortiGate devices. {}",
        sentence.repeat(6),
        sentence.repeat(6)
    );
    let samples = [
        ("two platforms", "Authentication bypass in ScreenConnect", text.as_str()),
        ("no platform", "Guidance for small offices", &sentence.repeat(12)),
    ];
    println!("{} platforms", catalog.ids().len());
    for (name, title, text) in samples {
        let input = TagInput { title, text, products: &[], source_platforms: &[] };
        let mut best = Duration::MAX;
        for _ in 0..7 {
            let begun = Instant::now();
            for _ in 0..2_000 {
                black_box(matcher.tag(black_box(&input)));
            }
            best = best.min(begun.elapsed() / 2_000);
        }
        println!(
            "{name:<14} {} bytes: {:.1} µs an advisory, {} tags",
            text.len(),
            best.as_secs_f64() * 1e6,
            matcher.tag(&input).len()
        );
    }
}
