//! What letters say, word for word, and the promises that hold for every letter.

use super::*;

/// Snapshots of the plain part and of the HTML part stand beside this file.
fn keep(name: &str, message: &Message) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(message.subject.clone());
    settings.bind(|| {
        insta::assert_snapshot!(format!("{name}_text"), message.text);
        insta::assert_snapshot!(format!("{name}_html"), message.html);
    });
}

/// The facts that both parts of a letter must tell.
fn both_say(message: &Message, facts: &[&str]) {
    for fact in facts {
        assert!(message.text.split_whitespace().collect::<Vec<_>>().join(" ").contains(fact), "text lacks {fact}");
        assert!(message.html.replace("&#39;", "'").replace("&amp;", "&").contains(fact), "HTML lacks {fact}");
    }
}

#[test]
fn an_alert_of_an_exploited_flaw_says_for_whom_and_what_to_do() {
    let composer = Composer::new().unwrap();
    let message =
        alert(&composer, &exploited(), &wish(&["screenconnect"]), &event(EventKind::Published, &["not to be shown"]));
    assert_eq!(message.text.lines().next(), Some("Being exploited now: ConnectWise ScreenConnect, which you run."));
    both_say(
        &message,
        &[
            "since 16 Nov 2026",
            "must act by 23 Nov 2026",
            "ransomware campaigns",
            "https://vendor.example/bulletins/2026-11?a=1&b=2",
            "https://www.cve.org/CVERecord?id=CVE-2026-41709",
            "because the title says 'ScreenConnect'",
            "https://watch.example/advisories/RW-1042",
            "https://watch.example/u/t0ken?x=1&y=2",
            "TLP:CLEAR",
            "07:12 (Europe/Berlin)",
        ],
    );
    assert!(!message.text.contains("not to be shown"));
    keep("alert_exploited", &message);
}

#[test]
fn an_escalation_of_an_unrated_warning_says_what_changed_and_what_nobody_knows() {
    let composer = Composer::new().unwrap();
    let reasons = ["Also touches Fortinet FortiGate", "What to do is now stated: Verify callers."];
    let wish = Wish { everything: true, ..wish(&[]) };
    let message = alert(&composer, &unrated(), &wish, &event(EventKind::Escalated, &reasons));
    both_say(
        &message,
        &[
            "More urgent now: Fortinet FortiGate and Veeam Backup & Replication.",
            "Also touches Fortinet FortiGate.",
            "No rating yet. That does not mean low.",
            "No source says so yet.",
            "asked for everything",
        ],
    );
    keep("alert_unrated", &message);
}

#[test]
fn a_digest_puts_the_most_urgent_first_and_names_silent_sources() {
    let composer = Composer::new().unwrap();
    let ids: Vec<AdvisoryId> = (1..=3).map(|n| AdvisoryId(format!("RW-{n}"))).collect();
    let (hot, quiet) = (exploited(), unrated());
    let high =
        Content { severity: Severity::High, title: "Veeam console runs code from users".to_owned(), ..unrated() };
    let mut entries = [
        entry(&ids[0], &quiet, &[EventKind::Published]),
        entry(&ids[1], &high, &[EventKind::Updated]),
        entry(&ids[2], &hot, &[EventKind::Published, EventKind::Escalated]),
    ];
    entries[2].alerted_at = Some(TUESDAY);
    entries[2].reasons = vec!["Now in CISA's catalog of known exploited vulnerabilities".to_owned()];
    let failed = [Failed { name: "JPCERT/CC", since: Some(later(-3 * DAY)), detail: "the server answered 503" }];
    let message = digest(&composer, &entries, &failed, &wish(&["screenconnect", "veeam-vbr"]));
    assert_eq!(message.subject, "Weekly digest: 3 advisories for your platforms, 1 exploited (16 to 22 Nov)");
    both_say(
        &message,
        &[
            "41 advisories in this time, 3 touch what you run.",
            "You were alerted Tue 17 Nov 08:12.",
            "JPCERT/CC",
            "since Sat 14 Nov 08:12",
            "silence is not good news",
            "new, then more urgent",
        ],
    );
    for part in [&message.text, &message.html] {
        let at: Vec<_> = ["setup wizard", "Veeam console", "pose as help desks"].map(|t| part.find(t).unwrap()).into();
        assert!(at.is_sorted(), "{at:?}");
    }
    keep("digest", &message);
}

#[test]
fn an_empty_digest_while_sources_fail_does_not_look_like_good_news() {
    let composer = Composer::new().unwrap();
    let failed = [Failed { name: "CISA", since: None, detail: "" }, Failed { name: "ACSC", since: None, detail: "x" }];
    let message = digest(&composer, &[], &failed, &wish(&["screenconnect"]));
    let subject = "Weekly digest: nothing found for your platforms, but 2 sources could not be read (16 to 22 Nov)";
    assert_eq!(message.subject, subject);
    both_say(&message, &["2 sources could not be read", "silence is not good news", "never read so far"]);
    keep("digest_empty", &message);
    let calm = digest(&composer, &[], &[], &wish(&["screenconnect"]));
    assert!(calm.subject.contains("nothing new") && calm.text.contains("can be read"), "{}", calm.text);
    assert!(!calm.text.contains("silence"));
}

#[test]
fn a_thread_keeps_its_subject_and_root_and_each_delivery_its_id() {
    let composer = Composer::new().unwrap();
    let wish = wish(&["screenconnect"]);
    let first = alert(&composer, &exploited(), &wish, &event(EventKind::Published, &[]));
    let later = Event { seq: 99, revision: 9, ..event(EventKind::Escalated, &["Severity raised"]) };
    // Since then the title was edited, and a platform joined that stands before the reader's.
    let began = exploited();
    let mut now = Content { title: "ScreenConnect: administrator for everyone [updated]".to_owned(), ..exploited() };
    now.tags.insert(0, tag("fortigate", Field::Text, "FortiGate"));
    let input = Alert {
        sites: &Sites::new(),
        envelope: envelope("dlv-9"),
        event: &later,
        content: &now,
        first: &began,
        wish: &wish,
        name: &name,
    };
    let second = composer.alert(&input).unwrap();
    assert_eq!((&first.subject, &first.thread_root), (&second.subject, &second.thread_root));
    assert_ne!(first.message_id, second.message_id);
    assert_ne!(Some(&first.message_id), first.thread_root.as_ref());
    let (local, domain) = first.message_id.split_once('@').unwrap();
    assert!(local.len() == 32 && local.bytes().all(|b| b.is_ascii_hexdigit()), "{local}");
    assert_eq!(domain, "watch.example");
    assert_eq!((first.list_id.as_str(), first.bulk), ("alerts.watch.example", false));
    let other =
        Alert { envelope: Envelope { subscription: "sub-8", to: "b@msp.example", ..envelope("dlv-9") }, ..input };
    let other = composer.alert(&other).unwrap();
    assert!(other.thread_root != second.thread_root && other.message_id != second.message_id);
    let summary = digest(&composer, &[], &[], &wish);
    assert_eq!((summary.list_id.as_str(), summary.bulk, summary.thread_root), ("digest.watch.example", true, None));
}

#[test]
fn the_same_letter_has_the_same_bytes() {
    let write = || alert(&Composer::new().unwrap(), &exploited(), &wish(&[]), &event(EventKind::Updated, &["x"]));
    assert_eq!(write(), write());
}

#[test]
fn the_subject_names_the_platform_once() {
    let composer = Composer::new().unwrap();
    let of = |content: &Content, mine: &[&str]| {
        alert(&composer, content, &wish(mine), &event(EventKind::Published, &[])).subject
    };
    assert_eq!(
        of(&unrated(), &["veeam-vbr"]),
        "Veeam Backup & Replication: Criminals pose as help desks on Teams to install remote tools"
    );
    let named = Content { title: "connectwise screenconnect: new flaw".to_owned(), ..exploited() };
    assert_eq!(of(&named, &["screenconnect"]), "connectwise screenconnect: new flaw");
    assert_eq!(of(&exploited(), &["screenconnect"]), exploited().title);
    let untagged = Content { tags: vec![], ..unrated() };
    assert_eq!(of(&untagged, &[]), "Criminals pose as help desks on Teams to install remote tools");
}

#[test]
fn the_subject_of_a_thread_is_made_from_the_first_revision() {
    let composer = Composer::new().unwrap();
    let later = event(EventKind::Updated, &["Also touches Fortinet FortiGate"]);
    let began = Content { tags: vec![tag("veeam-vbr", Field::Text, "Veeam Backup")], ..unrated() };
    let of = |first: &Content, wish: &Wish| {
        let content = unrated();
        let input = Alert {
            sites: &Sites::new(),
            envelope: envelope("dlv-1"),
            event: &later,
            content: &content,
            first,
            wish,
            name: &name,
        };
        composer.alert(&input).unwrap().subject
    };
    let title = "Criminals pose as help desks on Teams to install remote tools";
    let everything = Wish { everything: true, ..wish(&[]) };
    assert_eq!(of(&began, &everything), format!("Veeam Backup & Replication: {title}"));
    let untagged = Content { tags: vec![], ..unrated() };
    assert_eq!(of(&untagged, &everything), title);
    // Who runs only what joined later begins the thread with it.
    assert_eq!(of(&began, &wish(&["fortigate"])), format!("Fortinet FortiGate: {title}"));
    for (written, shown) in
        [("Re: FW: a flaw", "a flaw"), ("RE:", "An advisory without a title"), ("Re-used: keys", "Re-used: keys")]
    {
        let began = Content { title: written.to_owned(), tags: vec![], ..unrated() };
        assert_eq!(of(&began, &everything), shown);
    }
}

#[test]
fn an_alert_of_many_long_addresses_stays_in_its_budget() {
    let composer = Composer::new().unwrap();
    let url = format!("https://vendor.example/?{}", "a=1&".repeat(480));
    let references = (0..40).map(|n| reference(&format!("Source {n}"), &url)).collect();
    let content = Content { references, ..exploited() };
    let message = alert(&composer, &content, &wish(&["screenconnect"]), &event(EventKind::Published, &[]));
    assert!(message.html.len() < 80_000, "{}", message.html.len());
    both_say(&message, &["Source 9", "and 30 more", "Stop this mail"]);
}

#[test]
fn without_a_stop_link_the_letter_says_whom_to_ask() {
    let composer = Composer::new().unwrap();
    let (event, wish, content) = (
        event(EventKind::Withdrawn, &["The publisher has withdrawn it"]),
        wish(&["screenconnect"]),
        Content { withdrawn: true, ..exploited() },
    );
    let envelope = Envelope { unsubscribe: None, ..envelope("dlv-1") };
    let message = composer
        .alert(&Alert {
            sites: &Sites::new(),
            envelope,
            event: &event,
            content: &content,
            first: &content,
            wish: &wish,
            name: &name,
        })
        .unwrap();
    both_say(
        &message,
        &[
            "Sent by Rattlewatch",
            "ask the one who runs this Rattlewatch",
            "Withdrawn: ConnectWise ScreenConnect, which you run.",
        ],
    );
}

#[test]
fn a_digest_of_thousands_stays_in_its_budget_and_says_how_many_are_left_out() {
    let composer = Composer::new().unwrap();
    let long = Content { title: "Ünsäglich lange & <böse> Namen ".repeat(20), ..exploited() };
    let ids: Vec<AdvisoryId> = (1..=5_000).map(|n| AdvisoryId(format!("RW-{n}"))).collect();
    let entries: Vec<_> = ids.iter().map(|id| entry(id, &long, &[EventKind::Published])).collect();
    let detail = "x ".repeat(500);
    let failed = vec![Failed { name: "A source", since: None, detail: &detail }; 300];
    let message = digest(&composer, &entries, &failed, &wish(&["screenconnect"]));
    assert!((30_000..80_000).contains(&message.html.len()), "{}", message.html.len());
    let shown = message.html.matches("<h3").count();
    both_say(&message, &[&format!("{} more", 5_000 - shown), "https://watch.example/advisories", "Stop this mail"]);
}

#[test]
fn html_parts_keep_to_what_mail_programs_can_show() {
    let composer = Composer::new().unwrap();
    let ids = [AdvisoryId("RW-1".to_owned())];
    let content = exploited();
    for message in [
        alert(&composer, &content, &wish(&["screenconnect"]), &event(EventKind::Escalated, &["Severity raised"])),
        digest(&composer, &[entry(&ids[0], &content, &[EventKind::Published])], &[], &wish(&["screenconnect"])),
    ] {
        let html = message.html.to_lowercase();
        assert!(html.contains("<html lang=\"en\" dir=\"ltr\""), "{}", &html[..200]);
        for needed in
            ["<title>", "<h1", "<h2", "color-scheme", "prefers-color-scheme: dark", "[data-ogsc]", "max-width:600px"]
        {
            assert!(html.contains(needed), "no {needed}");
        }
        for unwanted in ["<img", "<script", "<form", "<link", "@import", "url(", "{{", "{%", "$("] {
            assert!(!html.contains(unwanted), "{unwanted}");
        }
        let tables = html.matches("<table").count();
        assert_eq!(tables, html.matches("role=\"presentation\"").count(), "layout tables");
        assert!(html.len() < 80_000, "{}", html.len());
    }
}

#[test]
fn a_burst_of_alerts_is_written_in_a_breath() {
    let composer = Composer::new().unwrap();
    let (content, wish, event) = (exploited(), wish(&["screenconnect"]), event(EventKind::Published, &[]));
    let start = std::time::Instant::now();
    for _ in 0..1_400 {
        alert(&composer, &content, &wish, &event);
    }
    let took = start.elapsed();
    eprintln!("1,400 alerts in {took:?}");
    let most = if cfg!(debug_assertions) { 30_000 } else { 1_500 };
    assert!(took.as_millis() < most, "1,400 alerts took {took:?}");
}
