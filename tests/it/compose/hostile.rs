//! Whatever sources write stays text: in the subject, in the plain part and in HTML.

use super::*;

/// Markup, template tags, header injection, bidirectional controls and plain noise.
pub(super) fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,400}",
        "[a-z<>\"'&{}%# ]{0,200}",
        Just("<script>alert(1)</script><img src=x onerror=alert(1)>".to_owned()),
        Just("\"><a href=\"javascript:alert(1)\" onclick='x'>".to_owned()),
        Just("{{ 7 * 7 }}{% include 'x' %}</textarea></style></title>".to_owned()),
        Just("x\r\nBcc: victim@example.com\r\n\r\n\0".to_owned()),
        Just("=?utf-8?q?=43=49=53=41?= \u{202e}txet\u{2066}".to_owned()),
        Just("e\u{301}".repeat(500)),
        Just("https://evil.example/".repeat(60)),
        Just("-".to_owned()),
        Just("> ".to_owned()),
    ]
}

pub(super) fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        foreign(),
        Just("javascript:alert(1)".to_owned()),
        Just("data:text/html,<script>x</script>".to_owned()),
        Just("https://e.example/\"><script>x</script>'onmouseover='x".to_owned()),
        Just("https://e.example/ok".to_owned()),
    ]
}

prop_compose! {
    pub(super) fn advisory()(text in prop::collection::vec(foreign(), 12), url in address(), severity in 0..5usize, flags in any::<[bool; 4]>())
        -> Content {
        let ranks = [Severity::Unknown, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        Content {
            title: text[0].clone(),
            summary: text[1].clone(),
            severity: ranks[severity],
            aliases: [text[2].clone()].into(),
            exploitation: Exploitation {
                exploited: flags[0],
                according_to: text[3].clone(),
                kev: flags[1].then(|| KevFacts { added: text[4].clone(), due: text[5].clone(), ransomware: flags[2], action: text[6].clone() }),
                ransomware: flags[2],
            },
            tags: vec![tag(&text[7], Field::Title, &text[8])],
            action: text[6].clone(),
            references: vec![reference(&text[9], &url)],
            withdrawn: flags[3],
            first_seen: TUESDAY,
            facts: hostile_facts(&text, &url),
            ..exploited()
        }
    }
}

/// Facts whose every word is foreign.
fn hostile_facts(text: &[String], url: &str) -> Facts {
    let by = Origin { name: text[9].clone(), url: url.to_owned() };
    let said = |at: usize| Stated { text: text[at].clone(), by: by.clone() };
    let mut facts = exploited().facts;
    facts.exploited_by = vec![by.clone()];
    (facts.fix, facts.workaround, facts.asked, facts.patch) =
        (Some(said(0)), Some(said(1)), Some(said(6)), Some(Stated { text: url.to_owned(), by: by.clone() }));
    facts.weaknesses = vec![said(3)];
    facts.versions = vec![Versions {
        product: text[7].clone(),
        affected: text[8].clone(),
        fixed: text[2].clone(),
        by: by.clone(),
        ..Versions::default()
    }];
    facts.ratings[0].by = by;
    facts
}

/// No tag or attribute beyond those of the templates.
fn is_clean(message: &Message) {
    let html = &message.html;
    let tag = regex::Regex::new(r#"<[!/]?([a-zA-Z][a-zA-Z0-9:]*)((?:[^>"']|"[^"]*"|'[^']*')*)>"#).unwrap();
    let quoted = regex::Regex::new(r#""[^"]*""#).unwrap();
    let known = [
        "html",
        "head",
        "title",
        "meta",
        "style",
        "body",
        "div",
        "table",
        "tbody",
        "tr",
        "td",
        "p",
        "h1",
        "h2",
        "h3",
        "ul",
        "ol",
        "li",
        "a",
        "span",
        "strong",
        "br",
        "doctype",
        "o:OfficeDocumentSettings",
        "o:AllowPNG",
        "o:PixelsPerInch",
        "xml",
        "noscript",
        "u",
        "x",
    ];
    for found in tag.captures_iter(html) {
        assert!(known.contains(&&found[1]), "<{}>", &found[1]);
        assert!(!quoted.replace_all(&found[2], "").to_lowercase().contains(" on"), "{}", &found[0]);
    }
    for link in html.split("href=\"").skip(1) {
        assert!(link.starts_with("https://") || link.starts_with("http://"), "{}", &link[..40.min(link.len())]);
    }
    assert!(!html.contains("<script"));
    assert!(html.len() < 80_000, "{}", html.len());
}

fn is_tidy(message: &Message) {
    let subject = &message.subject;
    assert!(subject.chars().count() <= 150 && !subject.is_empty(), "{subject}");
    assert!(
        !subject.contains("=?") && !subject.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
        "{subject:?}"
    );
    for line in message.text.lines() {
        let body = line.trim_start_matches([' ', '>', '-']).trim_start();
        let body = body.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(". ");
        assert!(line.chars().count() <= 78 || !body.contains(' '), "{line}");
        assert!(!line.contains('\0') && !line.contains('\u{202e}'), "{line:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_never_becomes_markup_headers_or_long_lines(
        content in advisory(), reasons in prop::collection::vec(foreign(), 0..3), names in foreign(), zone in foreign(), stop in address(), kind in 0..5usize
    ) {
        let composer = composer();
        let kinds = [EventKind::Published, EventKind::Updated, EventKind::Escalated, EventKind::Corrected, EventKind::Withdrawn];
        let event = Event { reasons: reasons.clone(), ..event(kinds[kind], &[]) };
        let mut wish = wish(&[&content.tags[0].platform.0]);
        wish.digest.timezone = zone;
        let name = |_: &PlatformId| names.clone();
        let envelope = Envelope { unsubscribe: Some(stop), ..envelope("dlv-1") };
        let message = composer.alert(&Alert { sites: &Sites::new(), envelope: envelope.clone(), event: &event, content: &content, first: &content, wish: &wish, name: &name }).unwrap();
        is_clean(&message);
        is_tidy(&message);
        let entries = [Entry { id: &event.advisory, content: &content, kinds: vec![event.kind], reasons, alerted_at: Some(TUESDAY) }];
        let failed = [Failed { name: &names, since: Some(TUESDAY), detail: &content.title }];
        let input = Digest { occasion: Occasion::Digest, envelope, entries: &entries, from: Timestamp(i64::MIN), to: Timestamp(i64::MAX), advisories: -3, failed: &failed, wish: &wish, name: &name };
        let message = composer.digest(&input).unwrap();
        is_clean(&message);
        is_tidy(&message);
    }
}

pub(super) fn composer() -> &'static Composer {
    static COMPOSER: std::sync::OnceLock<Composer> = std::sync::OnceLock::new();
    COMPOSER.get_or_init(|| Composer::new().unwrap())
}
