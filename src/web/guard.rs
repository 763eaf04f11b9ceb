//! Guard: what is decided of a request before any page looks at it.
//!
//! A form that another site made a browser post is refused (OWASP ASVS 5.0 section 3.5): browsers say where a request comes
//! from, and what is no browser holds no sign-in that could be abused. One-click unsubscribing (RFC 8058) is exempt, for it
//! comes from the mailbox provider. Whoever posts too often waits; a client is told by its address, which only proxies
//! that the settings name may state for others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use url::Url;

use super::State;

/// How many posts of one client are taken at once, and how many more each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pace {
    /// Forms that anybody may send.
    Anybody,
    /// Rooms where a sign-in is needed: whoever goes through a board by keyboard is quick.
    Members,
    /// Requests of the API without a token.
    Strangers,
    /// Requests of the API with one.
    Programs,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Those of one address.
    Client(IpAddr),
    /// Those with one token, by its id.
    Token(String),
}

impl Pace {
    fn of(path: &str) -> Self {
        let rooms = ["/o/", "/operator/", "/me/"];
        if rooms.iter().any(|room| path.starts_with(room)) { Self::Members } else { Self::Anybody }
    }

    const fn burst(self) -> f64 {
        match self {
            Self::Anybody => 40.0,
            Self::Members => 400.0,
            Self::Strangers => 300.0,
            Self::Programs => 1_000.0,
        }
    }

    const fn each_second(self) -> f64 {
        match self {
            Self::Anybody => 0.5,
            Self::Members => 5.0,
            Self::Strangers => 5.0,
            Self::Programs => 50.0,
        }
    }
}

/// Most clients remembered.
const CLIENTS: usize = 20_000;

/// The requests that are counted, as buckets that fill with time.
#[derive(Default)]
pub(super) struct Posts(Mutex<HashMap<(Who, Pace), (f64, Instant)>>);

impl Posts {
    /// Takes one request; else says in how many seconds there may be one.
    pub(super) fn take(&self, who: Who, pace: Pace, now: Instant) -> Result<(), u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |pace: Pace, (left, at): (f64, Instant)| {
            pace.burst().min(left + (now - at).as_secs_f64() * pace.each_second())
        };
        if all.len() >= CLIENTS && !all.contains_key(&(who.clone(), pace)) {
            all.retain(|(_, pace), bucket| filled(*pace, *bucket) < pace.burst());
            // As many as this at once are no people: nobody's count outweighs the memory.
            if all.len() >= CLIENTS {
                all.clear();
            }
        }
        let key = (who, pace);
        let left = all.get(&key).map_or(pace.burst(), |bucket| filled(pace, *bucket));
        let answer = if left >= 1.0 { Ok(()) } else { Err(((1.0 - left) / pace.each_second()).ceil() as u64) };
        all.insert(key, (if answer.is_ok() { left - 1.0 } else { left }, now));
        answer
    }
}

/// Decides whether a request goes on.
pub(super) async fn guard(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // The API takes no cookie, so nothing can be done there in somebody's name.
    let exempt = ["/u/", "/api/"].iter().any(|room| request.uri().path().starts_with(room));
    if !changes || exempt {
        return next.run(request).await;
    }
    if is_foreign(request.headers(), &state.0.context.public_url) {
        let message = "This form came from another site, so nothing was done. Open the page here and try again.";
        return state.problem(StatusCode::FORBIDDEN, message).into_response();
    }
    let client = client_of(request.extensions(), request.headers(), &state);
    let pace = Pace::of(request.uri().path());
    if let Some(Err(seconds)) = client.map(|client| state.0.posts.take(Who::Client(client), pace, Instant::now())) {
        let message = format!("That was often. Please try again in {seconds} seconds.");
        let page = state.problem(StatusCode::TOO_MANY_REQUESTS, &message);
        return ([(header::RETRY_AFTER, seconds.to_string())], page).into_response();
    }
    next.run(request).await
}

/// Whether a browser says that another site made it ask.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return false,
        Some(_) => return true,
        None => {}
    }
    // Browsers without that header say the origin; it is ours if it is where we are reached, or where we were asked.
    let Some(origin) = text("origin") else { return headers.contains_key("origin") };
    let Ok(origin) = Url::parse(origin) else { return true };
    let authority =
        |url: &Url| url.host_str().map(|host| format!("{host}:{}", url.port_or_known_default().unwrap_or(0)));
    let ours = Url::parse(public_url).ok().as_ref().and_then(authority);
    let asked = text("host").and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    let origin = authority(&origin);
    origin.is_none() || (origin != ours && origin != asked.as_ref().and_then(authority))
}

/// Whose request it is, where the connection is known.
pub(super) fn client_of(extensions: &Extensions, headers: &HeaderMap, state: &State) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())?;
    Some(client(peer, headers, &state.0.context.web.trusted_proxies))
}

/// Whose request it is: the peer, or whom trusted proxies name, the nearest that is none of them. Networks of IPv6 homes
/// count as one client.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        if !is_trusted(&client) {
            break;
        }
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let value = |text| header::HeaderValue::from_static(text);
        fields.iter().map(|(name, text)| (header::HeaderName::from_static(name), value(*text))).collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_by_what_browsers_say() {
        let ours = "https://watch.example";
        for fields in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://watch.example"), ("host", "other")],
            &[("origin", "http://localhost:8080"), ("host", "localhost:8080")],
        ] {
            assert!(!is_foreign(&headers(fields), ours), "{fields:?}");
        }
        for fields in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://watch.example")],
            &[("origin", "https://evil.example"), ("host", "watch.example")],
            &[("origin", "null"), ("host", "watch.example")],
            &[("origin", "https://watch.example:8443"), ("host", "watch.example")],
            &[("origin", "https://watch.example.evil.example")],
        ] {
            assert!(is_foreign(&headers(fields), ours), "{fields:?}");
        }
    }

    #[test]
    fn only_trusted_proxies_say_whose_request_it_is() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let said = headers(&[("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.0.0.9")]);
        assert_eq!(client(address("203.0.113.5"), &said, &trusted), address("203.0.113.5"), "it is no proxy of ours");
        assert_eq!(
            client(address("10.0.0.2"), &said, &trusted),
            address("198.51.100.7"),
            "the rest it may have made up"
        );
        assert_eq!(client(address("::ffff:10.0.0.2"), &said, &trusted), address("198.51.100.7"));
        let nonsense = headers(&[("x-forwarded-for", "1.1.1.1, me")]);
        assert_eq!(client(address("10.0.0.2"), &nonsense, &trusted), address("10.0.0.2"));
        assert_eq!(client(address("2001:db8::1:2:3:4"), &said, &[]), address("2001:db8::"));
    }

    #[test]
    fn who_posts_too_often_waits_and_others_do_not() {
        let (posts, now) = (Posts::default(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let (one, other) = (Who::Client(one), Who::Client(other));
        let taken = (0..100).filter(|_| posts.take(one.clone(), Pace::Anybody, now).is_ok()).count();
        assert_eq!(taken, 40);
        assert_eq!(posts.take(one.clone(), Pace::Anybody, now), Err(2));
        assert_eq!(
            posts.take(one.clone(), Pace::of("/o/org-1/advisories/RW-1/respond"), now),
            Ok(()),
            "members are quicker"
        );
        assert_eq!(posts.take(other, Pace::Anybody, now), Ok(()));
        assert_eq!(posts.take(one.clone(), Pace::Anybody, now + Duration::from_secs(3)), Ok(()));
    }
}
