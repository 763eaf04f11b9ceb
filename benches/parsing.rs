//! Parse throughput: a feed of 50 items with markup, and a KEV catalog of 1,500 entries; then what normalizing them
//! costs (names, ids, severity, exploitation and what to do, read out of the text). Last, one CSAF document with its
//! hash and its signature, beside bare JSON with SHA-512.

mod csaf;
mod provider;

use std::hint::black_box;
use std::time::{Duration, Instant};

use rattlewatch::config::sources::{self, Known};
use rattlewatch::formats::{self, Origin};
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::item::Item;
use rattlewatch::pipeline::normalize;
use url::Url;

fn main() {
    let url: Url = "https://cert.example/feed".parse().expect("a constant");
    let origin = Origin::of(&url, None);
    for (name, format, document) in [("feed", "feed", feed()), ("kev", "kev", kev())] {
        let format = formats::by_name(format).expect("it is listed");
        let items = (format.parse)(document.as_bytes(), &origin).expect("it can be read").items.len();
        let mut best = Duration::MAX;
        for _ in 0..7 {
            let begun = Instant::now();
            for _ in 0..10 {
                black_box((format.parse)(black_box(document.as_bytes()), &origin)).expect("it can be read");
            }
            best = best.min(begun.elapsed() / 10);
        }
        let seconds = best.as_secs_f64();
        normalize(&(format.parse)(document.as_bytes(), &origin).expect("it can be read").items);
        println!(
            "{name:<5} {items:>5} items, {:>7} bytes: {:.2} ms, {:.0} MB/s, {:.0} items/s",
            document.len(),
            seconds * 1e3,
            document.len() as f64 / seconds / 1e6,
            items as f64 / seconds
        );
    }
    csaf::measure();
}

fn normalize(items: &[Item]) {
    let known = Known { formats: &["feed"], platforms: None, check_selector: &|_| Ok(()) };
    let text = "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"government\"\ncountry = \"US\"\n\
                url = \"https://cert.example/\"\nformat = \"feed\"\nschedule = \"0 0 * * * *\"\n";
    let source = sources::parse(text, "bench", &known).expect("a good source").remove(0);
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let begun = Instant::now();
        black_box(normalize::drafts(&source, black_box(items.to_vec()), Timestamp(0)));
        best = best.min(begun.elapsed());
    }
    println!("      normalizing: {:.1} µs an item", best.as_secs_f64() * 1e6 / items.len() as f64);
}

fn feed() -> String {
    let body = "&lt;p&gt;The vendor &lt;b&gt;released&lt;/b&gt; an update &amp;amp; urges all to &lt;a href=\"https://vendor.example/\"&gt;apply it&lt;/a&gt;.&lt;/p&gt;".repeat(12);
    let items: String = (0..50)
        .map(|item| format!("<item><title>Advisory {item}</title><link>https://cert.example/{item}</link><guid>{item}</guid><pubDate>Mon, 16 Nov 26 08:00:00 +0000</pubDate><description>{body}</description></item>"))
        .collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>t</title><link>https://cert.example/</link><description>d</description>{items}</channel></rss>"
    )
}

fn kev() -> String {
    let entries: Vec<String> = (0..1_500)
        .map(|entry| {
            format!(
                "{{\"cveID\":\"CVE-2099-{}\",\"vendorProject\":\"Vendor\",\"product\":\"Product {entry}\",\"vulnerabilityName\":\"Vendor Product {entry} Command Injection Vulnerability\",\"dateAdded\":\"2026-11-19\",\"shortDescription\":\"{}\",\"requiredAction\":\"Apply updates per vendor instructions.\",\"dueDate\":\"2026-12-10\",\"knownRansomwareCampaignUse\":\"Unknown\",\"notes\":\"https://vendor.example/{entry}\",\"cwes\":[\"CWE-77\"]}}",
                10_000 + entry,
                "The product contains a flaw. ".repeat(8)
            )
        })
        .collect();
    format!(
        "{{\"title\":\"t\",\"catalogVersion\":\"1\",\"dateReleased\":\"2026-11-19T00:00:00Z\",\"count\":{},\"vulnerabilities\":[{}]}}",
        entries.len(),
        entries.join(",")
    )
}
