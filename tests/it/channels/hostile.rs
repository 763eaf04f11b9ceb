//! Hostile briefs: whatever sources write, each body stays valid JSON within its receiver's limits.

use proptest::prelude::*;

use super::*;

/// Text that a source could write: markup of every receiver, controls, overrides, emoji, and much of it.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<!channel>",
        "<!here|x>",
        "@here",
        "@everyone",
        "<https://evil.example|Microsoft>",
        "[Microsoft](https://evil.example)",
        "**",
        "__",
        "`",
        "```\n",
        "# ",
        "- ",
        "1. ",
        "\\",
        "\"",
        "\u{0}",
        "\u{7}",
        "\r\n",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "&amp;",
        "&",
        "<",
        ">",
        "|",
        "<at>all</at>",
        "{{x}}",
        "${x}",
        "😀",
        "👨\u{200d}👩\u{200d}👧",
        "ä",
        "\u{fffd}",
        "word ",
        "CVE-2099-1 ",
        "https://x.example/a?b=1&c=(2) ",
        "\u{1f1e9}\u{1f1ea}",
        "\u{85}",
        "\u{2028}",
    ]);
    let repeat = prop_oneof![4 => 1..5_usize, 1 => 100..2_000_usize];
    (prop::collection::vec(pieces, 0..12), repeat, ".{0,40}")
        .prop_map(|(all, times, tail)| all.concat().repeat(times) + &tail)
}

prop_compose! {
    fn item()(advisory in text(), title in text(), url in text(), severity in text(), exploited in any::<bool>(),
              platforms in prop::collection::vec(text(), 0..5)) -> BriefItem {
        BriefItem { advisory, title, url: format!("https://w.example/{url}"), severity, exploited, platforms }
    }
}

prop_compose! {
    fn brief()(words in prop::collection::vec(text(), 8), lists in prop::collection::vec(prop::collection::vec(text(), 0..30), 4),
               facts in prop::collection::vec((text(), text()), 0..30), items in prop::collection::vec(item(), 0..12),
               copies in 1..8_usize, exploited in any::<bool>()) -> Brief {
        let one = |index: usize| words[index].clone();
        let count = items.len() * copies;
        Brief {
            kind: one(0), lead: one(1), title: one(2), changes: lists[0].clone(), advisory: Some(one(3)),
            url: if exploited { one(4) } else { format!("https://w.example/{}", one(4)) }, severity: one(5), exploited,
            platforms: lists[1].clone(), cves: lists[2].clone(), facts, steps: lists[3].clone(),
            items: items.into_iter().cycle().take(count).collect(), why: one(6), tlp: one(7), at: MONDAY,
        }
    }
}

/// Every text in a value.
fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(all) => all.iter().for_each(|one| texts(one, found)),
        Value::Object(all) => all.values().for_each(|one| texts(one, found)),
        _ => {}
    }
}

fn parsed(body: &[u8]) -> Value {
    let value: Value = serde_json::from_slice(body).expect("valid JSON");
    let mut all = Vec::new();
    texts(&value, &mut all);
    for text in all {
        let odd = |c: char| (c.is_control() && c != '\n') || rattlewatch::model::text::is_bidi_control(c);
        assert!(!text.contains(odd), "{text:?}");
    }
    value
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

fn assert_slack(body: &[u8]) {
    let value = parsed(body);
    let blocks = value["blocks"].as_array().expect("blocks");
    assert!(!blocks.is_empty() && blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        match block["type"].as_str() {
            Some("header") => assert!((1..=150).contains(&length(&block["text"]["text"])), "{block}"),
            Some("section") if block["fields"].is_array() => {
                let fields = block["fields"].as_array().expect("fields");
                assert!(fields.len() <= 10 && fields.iter().all(|field| (1..=2_000).contains(&length(&field["text"]))));
            }
            Some("section") => assert!((1..=3_000).contains(&length(&block["text"]["text"])), "{block}"),
            Some("context") => assert!((1..=2_000).contains(&length(&block["elements"][0]["text"])), "{block}"),
            other => panic!("{other:?}"),
        }
    }
    let mut all = Vec::new();
    texts(&value, &mut all);
    for text in all {
        assert!(!text.contains("<!") && !text.contains("@here") && !text.contains("@everyone"), "{text}");
        // Every angle bracket belongs to a link of ours.
        for after in text.split('<').skip(1) {
            let (link, _) = after.split_once('>').expect("a link that is closed");
            assert!(link.starts_with("http") && link.contains('|') && !link.contains('<'), "{text}");
        }
    }
}

fn assert_teams(body: &[u8]) {
    assert!(body.len() <= teams::MOST, "{}", body.len());
    let value = parsed(body);
    let card = &value["attachments"][0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
    assert!(card["body"].as_array().is_some_and(|body| !body.is_empty()));
}

fn assert_ntfy(body: &[u8]) {
    let value = parsed(body);
    assert!(value["message"].as_str().is_some_and(|text| text.len() <= ntfy::MOST && !text.is_empty()));
    assert!(value["priority"].as_u64().is_some_and(|priority| (3..=5).contains(&priority)));
    assert!(length(&value["title"]) <= 250 && value["topic"] == "noc");
}

fn assert_all(brief: &Brief) {
    assert_slack(&slack::body(brief));
    assert_teams(&teams::body(brief));
    assert_ntfy(&ntfy::body(brief, "noc"));
    let body = webhook::body(brief, MONDAY);
    assert!(body.len() < 512 * 1024, "{}", body.len());
    assert!(parsed(&body)["data"]["severity"].is_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_brief_becomes_valid_bodies_within_limits(brief in brief()) {
        assert_all(&brief);
    }
}

#[test]
fn a_megabyte_in_every_place_is_cut() {
    for piece in ["a", "<!channel>", "😀", "\u{202e}x", "\\\"", "*_[](x)", "& ", "ä\u{301}"] {
        let long = piece.repeat(1_000_000 / piece.len());
        let many = vec![long.clone(); 40];
        let item = BriefItem {
            advisory: long.clone(),
            title: long.clone(),
            url: format!("https://w.example/{long}"),
            severity: long.clone(),
            exploited: true,
            platforms: many[..3].to_vec(),
        };
        let brief = Brief {
            kind: long.clone(),
            lead: long.clone(),
            title: long.clone(),
            changes: many.clone(),
            advisory: Some(long.clone()),
            url: long.clone(),
            severity: long.clone(),
            platforms: many.clone(),
            cves: many.clone(),
            facts: vec![(long.clone(), long.clone()); 20],
            steps: many,
            items: vec![item; 10],
            why: long.clone(),
            tlp: long,
            ..alert()
        };
        assert_all(&brief);
        assert_all(&Brief { items: Vec::new(), ..brief });
    }
}

#[test]
fn a_long_digest_is_counted_where_it_is_cut() {
    let digest = digest(40);
    let slack: Value = serde_json::from_slice(&slack::body(&digest)).unwrap();
    assert!(slack.to_string().contains("|and 30 more>"), "{slack}");
    let long = Brief {
        items: digest.items.iter().map(|item| BriefItem { title: "flaw ".repeat(60), ..item.clone() }).collect(),
        ..digest
    };
    let body = teams::body(&long);
    let card: Value = serde_json::from_slice(&body).unwrap();
    let shown = card["attachments"][0]["content"]["body"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["separator"] == true)
        .count();
    assert!(shown > 5 && body.len() <= teams::MOST, "{shown}");
    assert!(card.to_string().contains(&format!("and {} more", 40 - shown)), "{card}");
}
