//! Tokens: their life, their scopes, and the walls between organizations.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{Client, Reply, one, sites};
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::smtp_server::SmtpServer;

fn refused(reply: &Reply) {
    reply.problem(401);
    assert!(reply.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_holds_until_it_ends_and_never_becomes_a_stranger() {
    for (site, store) in sites().await {
        let acme = Client::of(&site, "Acme", "read");
        let token = acme.token.clone().expect("a token");
        assert!(token.starts_with("rwt_1_") && token.len() == "rwt_1_".len() + 64, "{token}");
        acme.read("/api/v1/clients");
        let listed = site.program.ok(&["token", "list", "--organization", "Acme", "--json"]);
        assert!(!listed.contains(&token[6..]) && !listed.contains("hash"), "{listed}");
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        assert!(listed[0]["last_used_at"].is_i64() && listed[0]["scopes"][0] == "read", "{listed}");
        let year = listed[0]["expires_at"].as_i64().zip(listed[0]["created_at"].as_i64());
        assert_eq!(year.map(|(until, from)| (until - from) / 86_400_000_000), Some(365));
        // Used again within the minute, that is not written again.
        let before = store.commits();
        acme.read("/api/v1/clients");
        let again: Value =
            serde_json::from_str(&site.program.ok(&["token", "list", "--organization", "Acme", "--json"]))
                .expect("JSON");
        assert_eq!(again[0]["last_used_at"], listed[0]["last_used_at"]);
        assert_eq!(store.commits(), before);

        // Public or not: what does not hold is refused.
        let mut wrong: Vec<String> = ["rwt_1_", "", "Bearer", "rwt_1_0000", "' OR 1=1--"].map(str::to_owned).to_vec();
        wrong.push(token.replace("rwt_1", "rwt_2"));
        wrong.push(token.to_uppercase());
        wrong.push(format!("{token}0"));
        for wrong in wrong {
            let program = Client { site: &site, token: Some(wrong) };
            for path in ["/api/v1/advisories", "/api/v1/clients", "/api/openapi.json"] {
                refused(&program.get(path));
            }
        }
        for said in ["Basic dXNlcjpwYXNz", "bearer", token.as_str()] {
            refused(&Client::stranger(&site).ask("GET", "/api/v1/advisories", &[("Authorization", said)], ""));
        }
        refused(&acme.ask("GET", "/api/v1/advisories", &[("Authorization", &format!("Bearer {token}"))], ""));

        site.program.ok(&["token", "revoke", "token-1", "--organization", "Acme"]);
        refused(&acme.get("/api/v1/advisories"));
        assert!(
            site.program.refused(&["token", "revoke", "token-1", "--organization", "Acme"], 1).contains("no token")
        );
        let brief = Client::of(&site, "Acme", "write");
        brief.read("/api/v1/clients");
        assert!(
            site.program.refused(&["token", "revoke", "token-2", "--organization", "Beta"], 1).contains("no token")
        );
        let expire = |tx: &mut rattlewatch::store::Tx<'_>| {
            tx.execute("UPDATE api_tokens SET expires_at = 1 WHERE id = 'token-2'", &[])
        };
        store.write(expire).await.expect("it expires");
        refused(&brief.get("/api/v1/clients"));
        let listed = site.program.ok(&["token", "list", "--organization", "Acme"]);
        assert!(listed.contains("revoked") && listed.contains("expired"), "{listed}");
        site.program.refused(&["token", "add", "x", "--organization", "Acme", "--days", "731"], 2);
        site.program.refused(&["token", "add", "x", "--organization", "Acme", "--scope", "admin"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_changes_nothing_and_no_cookie_counts() {
    let (site, _store) = one().await;
    let (reader, writer) = (Client::of(&site, "Acme", "read"), Client::of(&site, "Acme", "write"));
    for (method, path) in [
        ("POST", "/api/v1/clients"),
        ("PATCH", "/api/v1/clients/client-1"),
        ("DELETE", "/api/v1/clients/client-1"),
        ("PUT", "/api/v1/organization/stack"),
    ] {
        reader.send(method, path, r#"{"name": "X", "stack": []}"#).problem(403);
        refused(&Client::stranger(&site).send(method, path, r#"{"name": "X", "stack": []}"#));
    }
    let cookie = site.sign_in("tech@acme.example").await;
    let stranger = Client::stranger(&site);
    refused(&stranger.ask("GET", "/api/v1/clients", &[("Cookie", &cookie)], ""));
    let fields = [("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    refused(&stranger.ask("POST", "/api/v1/clients", &fields, r#"{"name": "X"}"#));
    // A bearer token is no browser's: where the request comes from says nothing.
    let fields =
        [("Content-Type", "application/json"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://else.example")];
    assert_eq!(writer.ask("POST", "/api/v1/clients", &fields, r#"{"name": "Florist"}"#).status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_installation_answers_programs_alone() {
    let smtp = SmtpServer::start().await;
    let program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_PUBLIC_PAGES", "no");
    let site = Site::with(program, smtp).await;
    super::client::furnish(&site);
    let (stranger, acme) = (Client::stranger(&site), Client::of(&site, "Acme", "read"));
    for path in
        ["/api/v1/advisories", "/api/v1/advisories/RW-1", "/api/v1/platforms", "/api/v1/sources", "/api/openapi.json"]
    {
        refused(&stranger.get(path));
        acme.read(path);
    }
    assert_eq!(stranger.get("/api").status, 403);
}

/// Replaces what an operation's path names by `ids`, by the path's last room.
fn filled(path: &str) -> Option<String> {
    let (room, _) = path.split_once("/{id}")?;
    let id = match room.rsplit('/').next()? {
        "clients" => "client-1",
        "subscriptions" => "sub-1",
        "deliveries" => "alert-1-sub-1",
        "responses" => "response-1",
        _ => return None,
    };
    Some(path.replace("{id}", id))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_organization_is_there_for_another() {
    for (site, _store) in sites().await {
        site.publish("CVE-2099-5001: FortiGate lets anyone in, exploited in the wild");
        let (acme, beta) = (Client::of(&site, "Acme", "write"), Client::of(&site, "Beta", "write"));
        let begun = std::time::Instant::now();
        while acme.get("/api/v1/deliveries/alert-1-sub-1").status != 200 {
            assert!(begun.elapsed().as_secs() < 30, "{}", acme.get("/api/v1/deliveries").text);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let done =
            acme.send("POST", "/api/v1/responses", r#"{"advisory": "RW-1", "state": "mitigated", "note": "ours"}"#);
        assert_eq!(done.status, 201, "{}", done.text);
        let document = acme.read("/api/openapi.json").json();
        let mut asked = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            let Some(theirs) = filled(path) else { continue };
            for method in methods.as_object().expect("methods").keys() {
                let method = method.to_uppercase();
                let nowhere = path.replace("{id}", "nothing-9");
                let body = if method == "GET" || method == "DELETE" { "" } else { "{}" };
                let (of_another, of_nobody) = (beta.send(&method, &theirs, body), beta.send(&method, &nowhere, body));
                assert_eq!(of_another.problem(404), of_nobody.problem(404), "{method} {theirs}");
                asked.insert(format!("{method} {path}"));
            }
            acme.read(&theirs);
        }
        assert_eq!(asked.len(), 6, "{asked:?}");
        let ours = ["clients", "subscriptions", "deliveries", "responses"];
        for (room, id) in ours.into_iter().zip(["client-1", "sub-1", "alert-1-sub-1", "response-1"]) {
            let path = format!("/api/v1/{room}");
            assert!(acme.read(&path).ids().contains(&id.to_owned()), "{path}");
            let text = beta.read(&path).text;
            assert!(!text.contains("acme.example") && !text.contains(&format!("\"{id}\"")), "{path}: {text}");
        }
        assert_eq!(beta.read("/api/v1/organization/stack").json()["stack"], serde_json::json!(["veeam-vbr"]));
        assert_eq!(beta.send("PUT", "/api/v1/organization/stack", r#"{"stack": []}"#).status, 200);
        assert_eq!(acme.read("/api/v1/organization/stack").json()["stack"], serde_json::json!(["fortigate"]));
        let for_theirs = r#"{"advisory": "RW-1", "state": "mitigated", "client": "client-1"}"#;
        beta.send("POST", "/api/v1/responses", for_theirs).problem(404);
        // A name is taken within one organization alone.
        assert_eq!(beta.send("POST", "/api/v1/clients", r#"{"name": "Dentist"}"#).status, 201);
    }
}
