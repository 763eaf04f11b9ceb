#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::*;

fn read(source: &str) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://feeds.vendor.example/all.xml").unwrap();
    parse(source.as_bytes(), &Origin::of(&url, Some("text/html")))
}

fn rss(items: &str) -> String {
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>t</title>{items}</channel></rss>")
}

fn item(n: usize) -> String {
    format!(
        "<item><title>Notice {n}</title><link>https://vendor.example/{n}</link><guid>g{n}</guid>\
         <description><![CDATA[<p>Text {n}</p>]]></description><pubDate>Thu, 18 Sep 25 12:00:00 +0000</pubDate></item>"
    )
}

fn titles(parsed: &Parsed) -> Vec<&str> {
    parsed.items.iter().map(|item| item.title.as_str()).collect()
}

#[test]
fn an_item_without_guid_and_link_has_no_id_and_the_same_reading_twice() {
    let source = rss("<item><title>A</title></item><item><title>B</title><guid> </guid></item>");
    let parsed = read(&source).unwrap();
    assert_eq!(parsed, read(&source).unwrap());
    assert!(parsed.items.iter().all(|item| item.native_id.is_none()), "{parsed:?}");
    assert!(!parsed.degraded());
}

#[test]
fn guids_stay_as_published_and_lead_to_a_page_only_where_they_are_addresses() {
    let parsed = read(&rss("<item><title>A</title><guid>/node/1</guid></item><item><title>B</title><guid>https://v.example/b</guid></item>")).unwrap();
    assert_eq!(parsed.items[0].native_id.as_deref(), Some("/node/1"));
    assert_eq!(parsed.items[0].url, None);
    assert_eq!(parsed.items[1].url.as_deref(), Some("https://v.example/b"));
}

#[test]
fn relative_links_are_resolved_by_base_then_self_then_address() {
    let link = "<item><title>A</title><link>/a</link></item>";
    let own = "<atom:link xmlns:atom=\"http://www.w3.org/2005/Atom\" rel=\"self\" href=\"https://self.example/f\"/>";
    let table = [
        (rss(link), "https://feeds.vendor.example/a"),
        (rss(&format!("{own}{link}")), "https://self.example/a"),
        (
            rss(&format!("{own}{link}")).replace("<rss ", "<rss xml:base=\"https://base.example/x/\" "),
            "https://base.example/a",
        ),
    ];
    for (source, expected) in table {
        assert_eq!(read(&source).unwrap().items[0].url.as_deref(), Some(expected), "{source}");
    }
}

#[test]
fn one_damaged_item_never_costs_another() {
    let damages = [
        "<item",
        "<title>",
        "</title>",
        "</link>",
        "<![CDATA[",
        "]]>",
        "</description>",
        "<pubDate>",
        "</item>",
        "<p>",
    ];
    let whole: Vec<String> = (0..7).map(item).collect();
    for damage in damages {
        for position in 0..damage.len() {
            let mut broken = damage.as_bytes().to_vec();
            broken[position] ^= 0x04;
            let broken = whole[3].replacen(damage, &String::from_utf8_lossy(&broken), 1);
            let source = rss(&[&whole[..3], &[broken], &whole[4..]].concat().concat());
            let parsed = read(&source).unwrap_or_else(|fault| panic!("{damage} at {position}: {fault}"));
            for other in [0, 1, 2, 4, 5, 6] {
                let title = format!("Notice {other}");
                assert!(titles(&parsed).contains(&title.as_str()), "{damage} at {position}: {:?}", titles(&parsed));
            }
        }
    }
}

#[test]
fn bare_ampersands_entities_and_control_characters_are_mended_and_said() {
    let parsed =
        read(&rss("<item><title>Q&A &eacute;\u{1}</title><link>https://v.example/?a=1&lang=en</link></item>")).unwrap();
    assert_eq!(parsed.items[0].title, "Q&A é");
    assert_eq!(parsed.items[0].url.as_deref(), Some("https://v.example/?a=1&lang=en"));
    assert!(parsed.repairs.iter().any(|repair| repair.contains('&')), "{:?}", parsed.repairs);
}

#[test]
fn a_document_cut_short_gives_its_complete_items() {
    let source = rss(&(0..4).map(item).collect::<String>());
    let cut = source.find("<title>Notice 3").unwrap() + 20;
    let parsed = read(&source[..cut]).unwrap();
    assert!(titles(&parsed).starts_with(&["Notice 0", "Notice 1", "Notice 2"]));
    assert!(parsed.degraded());
}

#[test]
fn a_missing_version_and_older_dialects_are_read() {
    for version in ["", " version=\"0.90\"", " version='0.93'", " version=\"2.0.1\""] {
        let source = rss(&item(1)).replace(" version=\"2.0\"", version);
        assert_eq!(titles(&read(&source).unwrap()), ["Notice 1"], "{version}");
    }
    let rdf = "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://my.netscape.com/rdf/simple/0.9/\"><channel/><item><title>Old</title><link>https://v.example/1</link></item></rdf:RDF>";
    assert_eq!(titles(&read(rdf).unwrap()), ["Old"]);
    let named = rss(&item(2)).replace("<rss ", "<rss xmlns=\"http://backend.userland.com/rss2\" ");
    assert_eq!(titles(&read(&named).unwrap()), ["Notice 2"]);
}

#[test]
fn markup_that_was_not_escaped_is_kept_as_text() {
    let parsed = read(&rss("<item><title>A <b>bold</b> one</title><description><p>First.</p><p>Second &amp; last.</p></description></item>")).unwrap();
    assert_eq!(parsed.items[0].title, "A bold one");
    assert_eq!(parsed.items[0].text, "First.\n\nSecond & last.");
}

#[test]
fn json_feeds_with_numeric_ids_and_cut_short_are_read() {
    let source = r#"{"version":"https://jsonfeed.org/version/1","title":"t","items":[{"id":7,"url":"/seven","title":"Seven"},{"id":"8","title":"Eight","content_html":"<p>x"}]}"#;
    let parsed = read(source).unwrap();
    assert_eq!(titles(&parsed), ["Seven", "Eight"]);
    assert_eq!(parsed.items[0].native_id.as_deref(), Some("7"));
    assert_eq!(parsed.items[0].url.as_deref(), Some("https://feeds.vendor.example/seven"));
    assert_eq!(titles(&read(&source[..source.len() - 20]).unwrap()), ["Seven"]);
    assert!(matches!(read("{\"error\": \"not found\"}"), Err(ParseError::NotThis { .. })));
}

#[test]
fn a_web_page_is_not_a_feed_and_an_empty_feed_is_one() {
    let fault = read("<!DOCTYPE html><html><title>Page not found</title>").unwrap_err();
    assert!(fault.to_string().contains("not a feed"), "{fault}");
    assert!(matches!(read("<opml version='1.0'><body/></opml>"), Err(ParseError::NotThis { .. })));
    assert!(matches!(read("not found"), Err(ParseError::NotThis { .. })));
    assert_eq!(read(" \n\0"), Err(ParseError::Empty));
    assert_eq!(read(&rss("")).unwrap(), Parsed::default());
    assert!(matches!(read("<rss version=\"2.0\"><channel><title>"), Err(ParseError::Unreadable { .. })));
}

#[test]
fn no_entity_that_a_document_declares_is_expanded() {
    let mut laughs = String::from("<!DOCTYPE rss [<!ENTITY a0 \"ha\">");
    for n in 1..12 {
        laughs.push_str(&format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)));
    }
    let external =
        "<!DOCTYPE rss [<!ENTITY x SYSTEM \"file:///etc/passwd\"><!ENTITY % p SYSTEM \"http://127.0.0.1:1/p.dtd\"> %p;";
    let quadratic = format!("<!DOCTYPE rss [<!ENTITY q \"{}\">", "z".repeat(50_000));
    for (dtd, name) in [(laughs.as_str(), "a11"), (external, "x"), (&quadratic, "q")] {
        let source = format!(
            "<?xml version=\"1.0\"?>{dtd}]><rss version=\"2.0\"><channel><item><title>T &{name}; U</title></item></channel></rss>"
        );
        let started = Instant::now();
        let parsed = read(&source).unwrap();
        assert_eq!(parsed.items[0].title, format!("T &{name}; U"));
        assert!(started.elapsed() < Duration::from_secs(120));
    }
}

#[test]
fn hostile_shapes_take_bounded_time() {
    let many = |shape: &str| shape.repeat(1024 * 1024 / shape.len());
    let attributes: String = (0..50_000).map(|n| format!(" a{n}=\"\"")).collect();
    let names: String = (0..50_000).map(|n| format!(" xmlns:n{n}=\"u{n}\"")).collect();
    let shapes = [
        rss(&"<d>".repeat(100_000)),
        rss(&format!("{}{}", "<d>".repeat(100_000), item(1))),
        rss(&format!("<item>{}{}</item>{}", "<d>".repeat(100_000), "</d>".repeat(100_000), item(1))),
        rss(&format!("<item{attributes}>{}</item>", many("<b/>"))),
        rss(&item(1))
            .replace("<rss", &format!("<rss{names}"))
            .replace("</channel>", &format!("{}</channel>", many("<b/>"))),
        rss(&many("<item>")),
        rss(&many("</item>")),
        rss(&many("<title>")),
        rss(&many("<item><title>")),
        rss(&many("<![CDATA[")),
        rss(&many("<!--")),
        rss(&many("<a b=\"")),
        rss(&many("&")),
        many("<!DOCTYPE [<item"),
        many("<"),
        many("<?"),
        format!("{{\"items\":[{}", many("[")),
        format!("{{\"items\":[{}", many("{\"id\":")),
    ];
    for source in shapes {
        let started = Instant::now();
        let _ = read(&source);
        let start: String = source.chars().take(160).collect();
        assert!(started.elapsed() < Duration::from_secs(120), "{start} took {:?}", started.elapsed());
    }
}

#[test]
fn the_item_beside_a_deep_one_is_read() {
    let deep = format!("<item><title>Deep</title>{}{}</item>", "<d>".repeat(100_000), "</d>".repeat(100_000));
    let parsed = read(&rss(&format!("{deep}{}", item(1)))).unwrap();
    assert!(titles(&parsed).contains(&"Notice 1"));
    assert!(parsed.degraded());
}

#[test]
fn titles_and_texts_in_other_vocabularies_are_found_and_markup_alone_is_nothing() {
    let items = "<item><dc:title xmlns:dc=\"http://purl.org/dc/elements/1.1/\">Notice in Dublin Core</dc:title></item>\
                 <item><body xmlns=\"http://www.w3.org/1999/xhtml\"><p>Notice in <b>XHTML</b></p></body></item>\
                 <item><description>&lt;svg&gt;&lt;a href=\"/x\"&gt;&lt;/svg&gt;</description></item>";
    let parsed = read(&rss(items)).unwrap();
    assert_eq!(titles(&parsed), ["Notice in Dublin Core", "Notice in XHTML"]);
    assert_eq!(parsed.dropped, 1, "an item without a word is counted");
}

#[test]
fn a_channel_says_how_long_it_stays_as_it_is() {
    let parsed = read(&rss(&format!("<ttl> 15 </ttl>{}", item(1)))).unwrap();
    assert_eq!(parsed.fresh_for, Some(Duration::from_secs(900)));
    assert_eq!(read(&rss(&item(1))).unwrap().fresh_for, None);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_ladder_panic(body in "(<(/)?(item|entry|title|link|description|channel|rss|p)>|<!\\[CDATA\\[|\\]\\]>|<!--|-->|&|&amp;|&#0;|x|é|\"){0,40}") {
        let _ = read(&rss(&body));
        let _ = read(&format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry>{body}</entry></feed>"));
        let _ = read(&body);
    }
}
