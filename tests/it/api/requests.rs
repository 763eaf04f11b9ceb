//! Requests: what is changed, what is not sent again, and what hostile ones get.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rattlewatch::store::subscriptions;
use serde_json::json;

use super::client::{Client, one, sites};

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_added_changed_and_removed_with_all_that_hung_on_it() {
    for (site, store) in sites().await {
        let acme = Client::of(&site, "Acme", "write");
        let sent = r#"{"name": "Müller & Söhne", "stack": ["veeam-vbr", "fortigate", "fortigate"]}"#;
        let added = acme.send("POST", "/api/v1/clients", sent);
        assert_eq!((added.status, added.header("location")), (201, Some("/api/v1/clients/client-3")), "{}", added.text);
        assert_eq!(added.json()["stack"], json!(["fortigate", "veeam-vbr"]));
        let read = acme.read("/api/v1/clients/client-3");
        assert_eq!((read.json(), read.header("etag")), (added.json(), added.header("etag")));
        acme.send("POST", "/api/v1/clients", r#"{"name": "MÜLLER & söhne"}"#).problem(409);

        // Only who has seen the newest state changes it.
        let etag = read.header("etag").expect("a tag").to_owned();
        let change =
            |tag: &str, body: &str| acme.ask("PATCH", "/api/v1/clients/client-3", &[JSON, ("If-Match", tag)], body);
        let renamed = change(&etag, r#"{"name": "Mueller"}"#);
        assert!(
            renamed.status == 200 && renamed.json()["stack"] == json!(["fortigate", "veeam-vbr"]),
            "{}",
            renamed.text
        );
        change(&etag, r#"{"name": "Someone else"}"#).problem(412);
        acme.ask("DELETE", "/api/v1/clients/client-3", &[("If-Match", &etag)], "").problem(412);
        assert_eq!(change("\"0\", *", r#"{"stack": []}"#).json()["stack"], json!([]));
        acme.send("PATCH", "/api/v1/clients/client-3", r#"{"name": "Dentist"}"#).problem(409);
        assert_eq!(acme.send("PATCH", "/api/v1/clients/client-3", "{}").json()["name"], "Mueller");

        // Whoever follows it hears by it what it runs, and nothing when it is gone.
        site.program.ok(&[
            "subscriber",
            "add",
            "ann@acme.example",
            "--organization",
            "Acme",
            "--stack",
            "Acme/Mueller",
        ]);
        acme.send("PATCH", "/api/v1/clients/client-3", r#"{"stack": ["screenconnect"]}"#);
        let of_ann = async || {
            let ann = |tx: &mut rattlewatch::store::Tx<'_>| {
                let all = subscriptions::all(tx)?;
                let ann = all.into_iter().find(|one| one.email == "ann@acme.example").expect("she is there");
                let (follows, followed) = (ann.wish.follows.iter(), ann.wish.followed.iter());
                Ok((follows.map(ToString::to_string).collect(), followed.map(ToString::to_string).collect()))
            };
            let of_ann: (Vec<String>, Vec<String>) = store.read(ann).await.expect("it is read");
            of_ann
        };
        assert_eq!(of_ann().await, (vec!["stack:client-3".to_owned()], vec!["screenconnect".to_owned()]));
        let gone = acme.ask("DELETE", "/api/v1/clients/client-3", &[], "");
        assert_eq!((gone.status, gone.text.as_str()), (204, ""));
        acme.get("/api/v1/clients/client-3").problem(404);
        acme.ask("DELETE", "/api/v1/clients/client-3", &[], "").problem(404);
        assert_eq!(of_ann().await, (Vec::new(), Vec::new()));
        // The command line leaves no more behind.
        site.program.ok(&[
            "subscriber",
            "add",
            "ann@acme.example",
            "--organization",
            "Acme",
            "--stack",
            "Acme/Dentist",
        ]);
        site.program.ok(&["organization", "remove-client", "Acme", "Dentist"]);
        assert_eq!(of_ann().await, (Vec::new(), Vec::new()));

        let put = acme.send("PUT", "/api/v1/organization/stack", r#"{"stack": ["screenconnect"]}"#);
        assert_eq!(put.json()["stack"], json!(["screenconnect"]));
        let followers = acme.read("/api/v1/subscriptions").json();
        let tech =
            followers["items"].as_array().expect("a list").iter().find(|one| one["email"] == "tech@acme.example");
        assert!(tech.is_some_and(|tech| tech["follows"] == json!(["stack:org-1"])), "{followers}");
        let old = [JSON, ("If-Match", "\"0123\"")];
        acme.ask("PUT", "/api/v1/organization/stack", &old, r#"{"stack": []}"#).problem(412);
        assert!(site.program.ok(&["operator", "audit"]).contains("as it was written"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_has_is_not_sent_again() {
    let (site, _store) = one().await;
    let acme = Client::of(&site, "Acme", "read");
    let stranger = Client::stranger(&site);
    for (program, path, kept) in [
        (&stranger, "/api/v1/advisories?q=flaw", "no-cache"),
        (&stranger, "/api/v1/advisories/RW-2", "no-cache"),
        (&stranger, "/api/openapi.json", "no-cache"),
        (&acme, "/api/v1/advisories/RW-2", "private, no-cache"),
        (&acme, "/api/v1/clients", "private, no-cache"),
        (&acme, "/api/v1/clients/client-1", "private, no-cache"),
        (&acme, "/api/v1/subscriptions", "private, no-cache"),
    ] {
        let first = program.read(path);
        assert_eq!(first.header("cache-control"), Some(kept), "{path}");
        let tag = first.header("etag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned();
        let again = program.ask("GET", path, &[("If-None-Match", &format!("\"0\", W/{tag}"))], "");
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", Some(tag.as_str())), "{path}");
        assert_eq!(program.ask("GET", path, &[("If-None-Match", "\"0\"")], "").status, 200, "{path}");
        let head = program.ask("HEAD", path, &[], "");
        assert_eq!((head.status, head.text.as_str(), head.header("etag")), (200, "", Some(tag.as_str())), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_is_refused_by_its_name() {
    let (site, _store) = one().await;
    let (stranger, acme) = (Client::stranger(&site), Client::of(&site, "Acme", "write"));
    let list = |query: &str| stranger.get(&format!("/api/v1/advisories?{query}"));
    for (query, status, field) in [
        ("limt=3", 400, "limt"),
        ("q=a&q=b", 400, "q"),
        ("q=%00", 400, "q"),
        ("q=%ff", 400, "q"),
        ("q=a%0Ab", 400, "q"),
        ("q=%zz", 400, "q"),
        ("offset=3&limit=1", 400, "offset"),
        ("limit=0", 422, "limit"),
        ("limit=101", 422, "limit"),
        ("limit=-1", 422, "limit"),
        ("limit=%2B1", 422, "limit"),
        ("limit=99999999999999999999", 422, "limit"),
        ("cursor=7", 422, "cursor"),
        ("cursor=%27+OR+1%3D1--", 422, "cursor"),
        ("platform=screenconect", 422, "platform"),
        ("severity=awful", 422, "severity"),
        ("topic=cats", 422, "topic"),
        ("exploited=maybe", 422, "exploited"),
        ("since=yesterday", 422, "since"),
        ("source=nobody", 422, "source"),
    ] {
        list(query).names(status, field);
    }
    assert!(list("platform=screenconect").text.contains("Did you mean screenconnect?"));
    list(&format!("q={}", "x".repeat(401))).names(422, "q");
    assert_eq!(list(&format!("q={}", "x".repeat(400))).status, 200);
    stranger.get("/api/v1/platforms?x=1").names(400, "x");
    for path in [
        "/api/v1/advisories/RW-99999",
        "/api/v1/advisories/rw-1",
        "/api/v1/advisories/%00",
        "/api/v1/advisories/%ff",
        "/api/v1/advisories/..%2f..%2fetc%2fpasswd",
        "/api/v1/platforms/%3Cscript%3E",
        "/api/v1/advisories/RW-1/nothing",
        "/api/v1",
        "/api/",
        "/api/v2/advisories",
        "/api/v1/advisories/",
    ] {
        stranger.get(path).problem(404);
    }
    let send = |body: &str| acme.send("POST", "/api/v1/clients", body);
    for (body, status, field) in [
        (r#"{"name": "A", "nmae": "B"}"#, 422, "nmae"),
        (r#"{"name": "A", "name": "B"}"#, 422, "name"),
        (r#"{"stack": []}"#, 422, "name"),
        (r#"{"name": null}"#, 422, "name"),
        (r#"{"name": 7}"#, 422, "name"),
        (r#"{"name": ""}"#, 422, "name"),
        (r#"{"name": " A"}"#, 422, "name"),
        ("{\"name\": \"A\\u0000\"}", 422, "name"),
        ("{\"name\": \"A\\u202eB\"}", 422, "name"),
        (r#"{"name": "a/b"}"#, 422, "name"),
        (r#"{"name": "A", "stack": null}"#, 422, "stack"),
        (r#"{"name": "A", "stack": {"0": "fortigate"}}"#, 422, "stack"),
        (r#"{"name": "A", "stack": ["veeam-vbr", "fortigatte"]}"#, 422, "stack/1"),
        (r#"{"name": "A", "stack": [["fortigate"]]}"#, 422, "stack/0"),
    ] {
        send(body).names(status, field);
    }
    assert!(send(r#"{"name": "A", "stack": ["fortigatte"]}"#).text.contains("did you mean 'fortigate'?"));
    send(&format!("{{\"name\": \"{}\"}}", "x".repeat(121))).names(422, "name");
    for body in ["[]", "7", "\"name\"", "null"] {
        send(body).problem(422);
    }
    for body in ["", "{", "{\"name\": \"A\"} {}", "{\"name\": \"\\ud800\"}", "{\"a\": 1e999}", &"[".repeat(60_000)] {
        send(body).problem(400);
    }
    assert_eq!(acme.read("/api/v1/clients").ids(), ["client-1"], "nothing of that was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_fault_is_a_problem_too() {
    let (site, _store) = one().await;
    let (stranger, acme) = (Client::stranger(&site), Client::of(&site, "Acme", "write"));
    for (method, path, allowed) in [
        ("POST", "/api/v1/advisories", "GET"),
        ("TRACE", "/api/v1/advisories/RW-1", "GET"),
        ("PUT", "/api/v1/clients", "POST"),
        ("POST", "/api/v1/clients/client-1", "PATCH"),
        ("POST", "/api/openapi.json", "GET"),
    ] {
        let reply = acme.ask(method, path, &[], "");
        reply.problem(405);
        assert!(reply.header("allow").is_some_and(|methods| methods.contains(allowed)), "{method} {path}");
    }
    for kind in
        ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp"]
    {
        acme.ask("POST", "/api/v1/clients", &[("Content-Type", kind)], "{}").problem(415);
    }
    acme.ask("POST", "/api/v1/clients", &[JSON, ("Content-Encoding", "gzip")], "{}").problem(415);
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(70_000));
    acme.send("POST", "/api/v1/clients", &large).problem(413);
    let endless = acme.ask("POST", "/api/v1/clients", &[JSON, ("Transfer-Encoding", "chunked")], "");
    assert!(endless.status >= 400, "a length and chunks at once are not believed");
    // Many requests of one stranger; who has a token is counted apart.
    let refused = (0..400).map(|_| stranger.get("/api/v1/advisories?limit=1")).find(|reply| reply.status != 200);
    let refused = refused.expect("nobody may ask without end");
    refused.problem(429);
    assert!(
        refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| (1..60).contains(&s)))
    );
    acme.read("/api/v1/advisories");
    let pages = site.get("/advisories");
    assert!(pages.starts_with("HTTP/1.1 200"), "who asks the API too often still reads the pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_sent_drop_by_drop_is_told_that_it_took_too_long() {
    let (site, _store) = one().await;
    let acme = Client::of(&site, "Acme", "write");
    let token = acme.token.clone().expect("a token");
    let mut slow = TcpStream::connect(("127.0.0.1", site.port)).expect("it answers");
    let head = format!(
        "POST /api/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).expect("a head");
    slow.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let (begun, mut answer) = (Instant::now(), Vec::new());
    while !answer.ends_with(b"}") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is answered in time");
        let _ = slow.write_all(b" ");
        let mut buffer = [0; 4_096];
        if let Ok(count @ 1..) = slow.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"), "{answer}");
}
