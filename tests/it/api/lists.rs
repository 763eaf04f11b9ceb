//! Lists: what is found, page by page, and what is not shown to everybody.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rattlewatch::model::advisory::Content;
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::platform::{PlatformId, Role, Tag};
use rattlewatch::model::tlp::Tlp;
use rattlewatch::store::{Store, advisories, counters, search};

use super::client::{Client, one, sites};
use crate::support::site::Site;

/// Stores an advisory, past all sources.
async fn publish(store: &Store, title: &str, tlp: Tlp) -> String {
    let tag = Tag {
        platform: PlatformId("fortigate".to_owned()),
        role: Role::Affected,
        under: None,
        confidence: 0.9,
        evidence: Vec::new(),
    };
    let now = Timestamp::from(jiff::Timestamp::now());
    let content = Content { title: title.to_owned(), tlp, tags: vec![tag], first_seen: now, ..Content::default() };
    let work = move |tx: &mut rattlewatch::store::Tx<'_>| {
        let number = counters::next(tx, counters::Counter::Advisory)?;
        let id = advisories::open(tx, number, now, &content)?;
        search::index(tx, &id, &content, &[])?;
        Ok(id.0)
    };
    store.write(work).await.expect("an advisory is stored")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_everything_once_whatever_comes_meanwhile() {
    for (site, store) in sites().await {
        let stranger = Client::stranger(&site);
        for number in 0..7 {
            publish(&store, &format!("An older flaw {number}"), Tlp::Clear).await;
        }
        let there: Vec<String> = (1..=10).rev().map(|number| format!("RW-{number}")).collect();
        for query in ["limit=1", "limit=3", "limit=10", "limit=100", "platform=fortigate&limit=2", "q=flaw&limit=2"] {
            let runtime = tokio::runtime::Handle::current();
            let found = tokio::task::block_in_place(|| {
                stranger.walk(&format!("/api/v1/advisories?{query}"), |page| {
                    if page < 4 {
                        drop(runtime.block_on(publish(&store, "A flaw that came meanwhile", Tlp::Clear)));
                    }
                })
            });
            let first_seen: Vec<&String> = found.iter().filter(|id| there.contains(id)).collect();
            let wanted =
                there.iter().filter(|id| !query.contains("platform") || !["RW-1", "RW-3"].contains(&id.as_str()));
            assert_eq!(first_seen, wanted.collect::<Vec<_>>(), "{query}");
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{query}: {found:?}");
        }
        // Clients are added while they are read: none twice, none of the first ones left out.
        let acme = Client::of(&site, "Acme", "write");
        let add = |name: String| {
            let added = acme.send("POST", "/api/v1/clients", &format!("{{\"name\": \"{name}\"}}"));
            assert_eq!(added.status, 201, "{}", added.text);
            added.json()["id"].as_str().expect("an id").to_owned()
        };
        let first: Vec<String> = (0..12).map(|number| add(format!("Client {number}"))).collect();
        let mut later = 0;
        let found = acme.walk("/api/v1/clients?limit=5", |_| {
            if later < 3 {
                later += 1;
                add(format!("Later client {later}"));
            }
        });
        assert!(first.iter().all(|id| found.contains(id)) && found.contains(&"client-1".to_owned()), "{found:?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        assert_eq!((found.len(), later), (13 + later, 2), "what was added meanwhile comes at the end: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_one_instant_are_each_met_once_and_say_whether_they_arrived() {
    for (site, _store) in sites().await {
        let acme = Client::of(&site, "Acme", "read");
        site.publish("CVE-2099-4001: FortiGate lets anyone in, exploited in the wild");
        let begun = Instant::now();
        while acme.read("/api/v1/deliveries?state=sent").ids().len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", acme.get("/api/v1/deliveries").text);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Both were queued by one statement, so only their ids tell them apart.
        let found = acme.walk("/api/v1/deliveries?limit=1", |_| {});
        assert_eq!(found.len(), 2, "{found:?}");
        assert_ne!(found[0], found[1]);
        let one = acme.read(&format!("/api/v1/deliveries/{}", found[0])).json();
        assert!(one["state"] == "sent" && one["attempts"] == 1 && one["finished_at"].is_string(), "{one}");
        assert_eq!(one["advisory"]["title"], "CVE-2099-4001: FortiGate lets anyone in, exploited in the wild");
        assert!(
            one["tries"].as_array().is_some_and(|tries| tries.len() == 1 && tries[0]["outcome"] == "sent"),
            "{one}"
        );
        assert!(one["recipient"].as_str().is_some_and(|to| to.ends_with("@acme.example")), "{one}");
        assert!(acme.read("/api/v1/deliveries?state=dead").ids().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_one_record_whoever_says_it() {
    for (site, store) in sites().await {
        let acme = Client::of(&site, "Acme", "write");
        let say = |body: &str| acme.send("POST", "/api/v1/responses", body);
        let first =
            say(r#"{"advisory": "RW-2", "client": "client-1", "state": "mitigated", "note": "patched\r\nto 7.4.9"}"#);
        assert_eq!(
            (first.status, first.header("location")),
            (201, Some("/api/v1/responses/response-1")),
            "{}",
            first.text
        );
        let one = first.json();
        assert!(
            one["note"] == "patched to 7.4.9" && one["client"] == "client-1" && one["said_by"] == "test (token-1)",
            "{one}"
        );
        assert_eq!(acme.read("/api/v1/responses/response-1").json(), one);
        for state in ["acknowledged", "reopened", "not_affected", "accepted"] {
            assert_eq!(
                say(&format!(r#"{{"advisory": "RW-1", "state": "{state}"}}"#)).json()["client"],
                serde_json::Value::Null
            );
        }
        let all: Vec<String> = (1..=5).rev().map(|number| format!("response-{number}")).collect();
        assert_eq!(acme.walk("/api/v1/responses?limit=2", |_| {}), all, "the newest first");
        assert_eq!(acme.read("/api/v1/responses?advisory=RW-2").ids(), ["response-1"]);
        assert!(acme.read("/api/v1/responses?advisory=RW-99").ids().is_empty());
        // The pages of members show it, and what they say is found here.
        let cookie = site.sign_in("tech@acme.example").await;
        let page = site.get_as("/o/org-1/advisories/RW-2", &cookie);
        assert!(page.contains("patched to 7.4.9") && page.contains("test (token-1)"), "{page}");
        let csrf = Site::csrf(&site.get_as("/me", &cookie));
        site.post_as("/o/org-1/advisories/RW-2/respond", &format!("csrf={csrf}&state=accepted"), &cookie);
        assert_eq!(acme.read("/api/v1/responses?limit=1").json()["items"][0]["said_by"], "tech@acme.example");
        // What cannot be taken changes nothing.
        say(r#"{"advisory": "RW-99", "state": "mitigated"}"#).problem(404);
        say(r#"{"advisory": "RW-2", "state": "mitigated", "client": "Dentist"}"#).problem(404);
        let red = publish(&store, "A red flaw", Tlp::Red).await;
        say(&format!(r#"{{"advisory": "{red}", "state": "mitigated"}}"#)).problem(404);
        say(r#"{"advisory": "2", "state": "mitigated"}"#).names(422, "advisory");
        say(r#"{"advisory": "RW-2", "state": "gone fishing"}"#).names(422, "state");
        say(r#"{"advisory": "RW-2"}"#).names(422, "state");
        say(&format!(r#"{{"advisory": "RW-2", "state": "mitigated", "note": "{}"}}"#, "x".repeat(501)))
            .names(422, "note");
        acme.get("/api/v1/responses?advisory=2").names(422, "advisory");
        acme.get("/api/v1/responses/response-01").problem(404);
        Client::of(&site, "Acme", "read").send("POST", "/api/v1/responses", "{}").problem(403);
        assert_eq!(acme.read("/api/v1/responses").ids().len(), 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_everybody_is_for_members_or_for_nobody() {
    for (site, store) in sites().await {
        let (stranger, acme) = (Client::stranger(&site), Client::of(&site, "Acme", "read"));
        let green = publish(&store, "A green flaw", Tlp::Green).await;
        let hidden =
            [publish(&store, "An amber flaw", Tlp::Amber).await, publish(&store, "A red flaw", Tlp::Red).await];
        let after = publish(&store, "A clear flaw", Tlp::Clear).await;
        for query in
            ["limit=2", "limit=100", "platform=fortigate&limit=1", "q=flaw&limit=1", "since=2020-01-01&limit=2"]
        {
            let path = format!("/api/v1/advisories?{query}");
            let (public, members) = (stranger.walk(&path, |_| {}), acme.walk(&path, |_| {}));
            assert!(public.contains(&after) && !public.contains(&green), "{query}: {public:?}");
            assert!(members.contains(&after) && members.contains(&green), "{query}: {members:?}");
            assert!(!members.iter().chain(&public).any(|id| hidden.contains(id)), "{query}: {members:?}");
        }
        for rest in ["", "/revisions"] {
            let path = |id: &str| format!("/api/v1/advisories/{id}{rest}");
            stranger.get(&path(&green)).problem(404);
            acme.read(&path(&green));
            for id in &hidden {
                let (absent, nowhere) = (acme.get(&path(id)), acme.get(&path("RW-99999")));
                assert_eq!(absent.problem(404), nowhere.problem(404), "nobody learns that it is there");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn advisories_are_found_as_on_the_page_and_tell_who_says_what() {
    let (site, _store) = one().await;
    let stranger = Client::stranger(&site);
    for (query, found) in [
        ("", &["RW-3", "RW-2", "RW-1"][..]),
        ("q=fortigate", &["RW-2"]),
        ("q=flaw+-veeam", &["RW-2", "RW-1"]),
        ("platform=screenconnect", &["RW-1"]),
        ("exploited=true", &["RW-2"]),
        ("exploited=false&source=cert", &["RW-3", "RW-2", "RW-1"]),
        ("severity=high", &[]),
        ("severity=low&since=2020-01-01", &["RW-3", "RW-2", "RW-1"]),
        ("since=2990-01-01T00:00:00%2B01:00", &[]),
    ] {
        assert_eq!(stranger.read(&format!("/api/v1/advisories?{query}")).ids(), found, "{query}");
    }
    let one = stranger.read("/api/v1/advisories/RW-2").json();
    assert_eq!(one["exploitation"]["by"][0]["name"], "Source cert", "{one}");
    assert_eq!(
        (&one["tags"][0]["id"], &one["tags"][0]["evidence"][0]["field"]),
        (&"fortigate".into(), &"title".into())
    );
    assert_eq!((&one["cves"][0], &one["sources"][0]["source"]), (&"CVE-2099-1002".into(), &"cert".into()));
    assert_eq!(one["references"][0]["url"], "https://cert.example/2");
    assert!(one["context"].as_array().is_some_and(|topics| topics.iter().any(|topic| topic["key"] == "todo")), "{one}");
    let history = stranger.read("/api/v1/advisories/RW-2/revisions").json();
    assert_eq!((&history["items"][0]["number"], &history["next"]), (&1.into(), &serde_json::Value::Null));
    let platform = stranger.read("/api/v1/platforms/screenconnect").json();
    assert_eq!((&platform["category"], &platform["advisories_30_days"]), (&"remote-access".into(), &1.into()));
    assert!(stranger.read("/api/v1/platforms").ids().len() > 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_read_does_not_look_like_a_quiet_one() {
    let (site, store) = one().await;
    let stranger = Client::stranger(&site);
    let seen = stranger.read("/api/v1/sources").json();
    assert_eq!(
        (&seen["seen"], &seen["blind"], &seen["items"][0]["sees"]),
        (&1.into(), &0.into(), &true.into()),
        "{seen}"
    );
    let work = |tx: &mut rattlewatch::store::Tx<'_>| {
        tx.execute("UPDATE sources SET state = 'blocked', detail = 'it refuses us', lease_holder = 'other', lease_until = 9000000000000000000", &[])
    };
    store.write(work).await.expect("the state is changed");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let blind = stranger.read("/api/v1/sources").json();
    assert_eq!((&blind["seen"], &blind["blind"]), (&0.into(), &1.into()), "{blind}");
    assert_eq!((&blind["items"][0]["state"], &blind["items"][0]["sees"]), (&"blocked".into(), &false.into()));
    assert_eq!(blind["items"][0]["detail"], "it refuses us");
}
