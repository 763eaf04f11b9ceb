//! Signing in and what it opens: links, sessions, roles, and walls between organizations.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::site::Site;

/// The value of a header of an answer.
fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).unwrap_or_default()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// A site with two organizations, each with an owner, and one with people of each role.
async fn site() -> Site {
    let site = Site::open().await;
    for arguments in [
        &["operator", "add", "root@watch.example"][..],
        &["organization", "add", "Acme", "--platform", "fortigate"],
        &["organization", "add-client", "Acme", "Dentist", "--platform", "screenconnect"],
        &["organization", "add-member", "Acme", "owner@acme.example", "--role", "owner", "--no-mail"],
        &["organization", "add-member", "Acme", "tech@acme.example", "--role", "technician"],
        &["organization", "add-member", "Acme", "viewer@acme.example", "--role", "viewer", "--no-mail"],
        &["organization", "add", "Beta", "--platform", "veeam"],
        &["organization", "add-client", "Beta", "Baker", "--platform", "screenconnect"],
        &["organization", "add-member", "Beta", "owner@beta.example", "--role", "owner"],
    ] {
        site.program.ok(arguments);
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_link_signs_in_once_and_only_whom_it_names() {
    let site = site().await;
    let asked = site.post("/sign-in", "email=owner%40acme.example&next=%2Fo%2Forg-1%2Fclients");
    let stranger = site.post("/sign-in", "email=nobody%40else.example&next=");
    let body = |answer: &str| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!((status(&asked), body(&asked)), (status(&stranger), body(&stranger)), "nobody learns who is known");
    let mail = site.mails(1).await.remove(0);
    assert_eq!(mail.to, ["owner@acme.example"]);
    let link = Site::link(&mail, "/sign-in/");

    let page = site.get(&link);
    assert!(page.contains("owner@acme.example"), "{page}");
    assert_eq!(status(&site.get(&link)), 200, "looking at it does not use it");
    let entered = site.post(&link, "");
    assert_eq!((status(&entered), header(&entered, "location")), (303, "/o/org-1/clients"));
    let cookie = header(&entered, "set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert_eq!(status(&site.post(&link, "")), 410, "it works once");
    for index in [9, 12, link.len() - 1] {
        let mut wrong = link.clone().into_bytes();
        wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
        let wrong = String::from_utf8(wrong).expect("ASCII");
        assert!(matches!(status(&site.get(&wrong)), 404 | 410), "{wrong}");
        assert!(matches!(status(&site.post(&wrong, "")), 404 | 410), "{wrong}");
    }

    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let page = site.get_as("/o/org-1/clients", &cookie);
    assert!(page.contains("Dentist") && !page.contains("Baker"), "{page}");
    assert_eq!(header(&page, "cache-control"), "no-store");
    let csrf = Site::csrf(&page);
    // Signing out ends it here and everywhere.
    assert_eq!(status(&site.post_as("/me/sign-out", "csrf=wrong", &cookie)), 403);
    assert_eq!(status(&site.post_as("/me/sign-out", &format!("csrf={csrf}"), &cookie)), 200);
    let again = site.get_as("/o/org-1/clients", &cookie);
    assert_eq!((status(&again), header(&again, "location")), (303, "/sign-in?next=%2Fo%2Forg-1%2Fclients"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_from_afar_and_with_the_last_membership() {
    let site = site().await;
    let (here, there) = (site.sign_in("owner@acme.example").await, site.sign_in("owner@acme.example").await);
    let page = site.get_as("/me", &here);
    assert!(page.contains("This browser") && page.contains("Another browser"), "{page}");
    let other = page.split("/me/sessions/").nth(1).and_then(|rest| rest.split("/end").next()).expect("the other one");
    let csrf = Site::csrf(&page);
    assert_eq!(status(&site.post_as(&format!("/me/sessions/{other}/end"), &format!("csrf={csrf}"), &here)), 303);
    assert_eq!(status(&site.get_as("/me", &there)), 303);
    assert_eq!(status(&site.get_as("/me", &here)), 200);
    // A session of somebody else is not there.
    let beta = site.sign_in("owner@beta.example").await;
    let csrf = Site::csrf(&site.get_as("/me", &beta));
    assert_eq!(status(&site.post_as("/me/sessions/session-1/end", &format!("csrf={csrf}"), &beta)), 404);
    let tech = site.sign_in("tech@acme.example").await;
    assert_eq!(status(&site.get_as("/o/org-1", &tech)), 200);
    site.program.ok(&["organization", "remove-member", "Acme", "tech@acme.example"]);
    assert_eq!(status(&site.get_as("/o/org-1", &tech)), 303, "who belongs nowhere is not signed in");
}

/// Every route of the program, with its methods, as the source text lists them.
fn routes() -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    for file in ["mod.rs", "organization/mod.rs", "operator/mod.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for route in text.split(".route(").skip(1) {
            let path = route.split('"').nth(1).expect("a path").to_owned();
            let rest = route.split(".route(").next().and_then(|one| one.split_once('"')?.1.split_once('"'));
            let handlers = rest.map(|(_, handlers)| handlers.lines().next().unwrap_or_default()).unwrap_or_default();
            for (word, method) in [("get(", "GET"), ("post(", "POST")] {
                if handlers.contains(word) {
                    found.insert((path.clone(), method));
                }
            }
        }
    }
    assert!(found.len() > 50, "{found:?}");
    found
}

/// Whether a route is for who is signed in.
fn is_private(path: &str) -> bool {
    path == "/me" || ["/o/", "/operator", "/me/"].iter().any(|room| path.starts_with(room))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_lets_in_whom_it_should_not() {
    let site = site().await;
    let who = [
        ("operator", site.sign_in("root@watch.example").await),
        ("owner", site.sign_in("owner@acme.example").await),
        ("technician", site.sign_in("tech@acme.example").await),
        ("viewer", site.sign_in("viewer@acme.example").await),
        ("stranger", site.sign_in("owner@beta.example").await),
    ];
    for (route, method) in routes().into_iter().filter(|(route, _)| is_private(route)) {
        // Objects of the first organization; a client of the second for whom asks by the wrong house.
        let fill = |client: &str, session: &str| {
            route.replace("{org}", "org-1").replace("{client}", client).replace("/me/sessions/{id}", session).replace(
                "{id}",
                if route.contains("/mail/") {
                    "sub-1"
                } else if route.contains("sources") {
                    "cert"
                } else {
                    "RW-1"
                },
            )
        };
        let path = fill("client-1", "/me/sessions/session-999");
        let ask = |path: &str, cookie: &str, csrf: &str| match method {
            "GET" => site.get_as(path, cookie),
            _ => site.post_as(path, &format!("csrf={csrf}"), cookie),
        };
        let nobody = ask(&path, "", "");
        assert!(matches!((method, status(&nobody)), ("GET", 303) | ("POST", 401)), "{method} {path}: {nobody}");
        for (role, cookie) in &who {
            let answer = ask(&path, cookie, "none");
            let expected: &[u16] = match (*role, method) {
                ("stranger", _) if path.starts_with("/o/") => &[404],
                ("operator", _) if path.starts_with("/o/") => &[404],
                (role, _) if role != "operator" && path.starts_with("/operator") => &[404],
                // Nothing is done by a form that is not of the session.
                (_, "POST") => &[403],
                ("technician" | "viewer", _) if path.ends_with("/audit") || path.ends_with("/tokens") => &[403],
                _ => &[200],
            };
            assert!(expected.contains(&status(&answer)), "{role} {method} {path}: {answer}");
            if expected == [404] {
                assert!(answer.contains("There is no such page."), "{role} {path}: what is not theirs is not there");
            }
        }
        // The same by name, for what belongs to another house.
        if route.contains("{client}") {
            let theirs = fill("client-2", "");
            let csrf = Site::csrf(&site.get_as("/me", &who[1].1));
            assert_eq!(status(&ask(&theirs, &who[1].1, &csrf)), 404, "{method} {theirs}");
        }
        // What changes an organization takes the role for it.
        if method == "POST" && path.starts_with("/o/") {
            let csrf = Site::csrf(&site.get_as("/me", &who[3].1));
            assert_eq!(status(&ask(&path, &who[3].1, &csrf)), 403, "a viewer only reads: {path}");
        }
    }
}
