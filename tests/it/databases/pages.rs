//! Databases in pages: windows, cursors, pauses, and pagers that lie.

use rattlewatch::formats::walk::{Answer, Start};
use rattlewatch::model::clock::Timestamp;
use serde_json::json;
use url::Url;

use super::{NOW, drive, page, source, start};

const NVD: &str = "https://nvd.example/rest/json/cves/2.0";

fn parameter(url: &str, name: &str) -> String {
    let url: Url = url.parse().expect("an address");
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn nvd(url: &str, from: usize, count: usize, total: usize) -> Answer {
    let records: Vec<_> = (from..from + count)
        .map(|n| json!({"cve": {"id": format!("CVE-2099-{}", 10_000 + n), "lastModified": "2099-11-22T00:00:00.000", "descriptions": [{"lang": "en", "value": "A flaw."}]}}))
        .collect();
    let body = json!({"totalResults": total, "timestamp": "2099-11-23T00:00:05.123", "vulnerabilities": records});
    page(url, body.to_string())
}

#[test]
fn the_nvd_is_read_page_by_page_with_pauses_and_the_next_window_begins_at_its_own_clock() {
    let nvd_source = source("nvd", NVD);
    let walked = drive(&start(&nvd_source, None, None), Answer::Begin, 50, |url| {
        let from: usize = parameter(url, "startIndex").parse().expect("a number");
        nvd(url, from, 2_000.min(4_500 - from), 4_500)
    });
    assert_eq!((walked.fault.clone(), walked.items(), walked.urls.len(), walked.pauses), (None, 4_500, 3, 2));
    assert_eq!(parameter(&walked.urls[0], "lastModStartDate"), "2099-11-15T00:00:00.000+00:00", "eight days back");
    assert_eq!(parameter(&walked.urls[0], "lastModEndDate"), "2099-11-23T00:00:00.000+00:00");
    assert!(walked.urls.iter().all(|url| parameter(url, "resultsPerPage") == "2000"));
    let later = Start { now: Timestamp(NOW.0 + 7_200_000_000), ..start(&nvd_source, walked.cursor(), None) };
    let again = drive(&later, Answer::Begin, 9, |url| nvd(url, 0, 0, 0));
    assert_eq!(parameter(&again.urls[0], "lastModStartDate"), "2099-11-22T23:00:05.000+00:00", "an hour of overlap");
    assert_eq!((again.items(), again.repairs().len()), (0, 0), "an empty answer is no fault");
}

#[test]
fn a_reading_of_the_nvd_that_was_cut_short_goes_on_within_its_window() {
    let nvd_source = source("nvd", NVD);
    let first =
        drive(&start(&nvd_source, None, None), Answer::Begin, 50, |url| match parameter(url, "startIndex").as_str() {
            "0" => nvd(url, 0, 2_000, 3_000),
            _ => Answer::Failed("cut off".into()),
        });
    assert!(first.fault.is_some());
    let later = Start { now: Timestamp(NOW.0 + 3_600_000_000), ..start(&nvd_source, first.cursor(), None) };
    let rest = drive(&later, Answer::Begin, 50, |url| match parameter(url, "startIndex").as_str() {
        "2000" => nvd(url, 2_000, 1_000, 3_000),
        _ => nvd(url, 0, 0, 0),
    });
    assert_eq!(rest.items(), 1_000);
    assert_eq!(parameter(&rest.urls[0], "lastModEndDate"), parameter(&first.urls[0], "lastModEndDate"));
    assert_eq!(parameter(&rest.urls[1], "lastModStartDate"), parameter(&first.urls[0], "lastModEndDate"));
}

#[test]
fn history_of_the_nvd_is_asked_for_in_windows_of_less_than_120_days() {
    let nvd_source = source("nvd", NVD);
    let since = NOW.minus(std::time::Duration::from_secs(400 * 86_400));
    let walked = drive(&start(&nvd_source, None, Some(since)), Answer::Begin, 99, |url| nvd(url, 0, 0, 0));
    let windows: Vec<(String, String)> =
        walked.urls.iter().map(|url| (parameter(url, "lastModStartDate"), parameter(url, "lastModEndDate"))).collect();
    assert_eq!(windows.len(), 4);
    assert!(windows.windows(2).all(|pair| pair[0].1 == pair[1].0), "{windows:?}");
    let all = drive(&start(&nvd_source, None, Some(Timestamp(0))), Answer::Begin, 999, |url| nvd(url, 0, 0, 0));
    assert!(all.fault.is_none() && all.urls.len() < 400, "{}", all.urls.len());
}

#[test]
fn a_pager_of_the_nvd_that_lies_comes_to_an_end_and_is_told() {
    let nvd_source = source("nvd", NVD);
    let empty = drive(&start(&nvd_source, None, None), Answer::Begin, 50, |url| nvd(url, 0, 0, 5_000));
    assert!(empty.repairs()[0].contains("sent an empty page"), "{:?}", empty.repairs());
    let endless = drive(&start(&nvd_source, None, None), Answer::Begin, 5_000, |url| nvd(url, 0, 1, 1_000_000_000));
    assert!(endless.urls.len() <= 400 && endless.repairs().iter().any(|one| one.contains("stated still more")));
    // A record that leaves the window while it is read moves those after it up by one.
    let moving =
        drive(&start(&nvd_source, None, None), Answer::Begin, 50, |url| match parameter(url, "startIndex").as_str() {
            "0" => nvd(url, 0, 2_000, 4_000),
            "2000" => nvd(url, 2_001, 1_998, 3_999),
            _ => nvd(url, 0, 2, 3_999),
        });
    assert_eq!(parameter(&moving.urls[2], "startIndex"), "3997");
    for broken in ["", "{}", "<html>", "{\"vulnerabilities\": 7}", "[1]"] {
        let walked = drive(&start(&nvd_source, None, None), Answer::Begin, 50, |url| page(url, broken));
        assert!(walked.fault.is_some(), "{broken}");
    }
    for hostile in ["", "x", "{\"from\": 9223372036854775807, \"to\": 1, \"index\": 18446744073709551615}"] {
        let walked = drive(&start(&nvd_source, Some(hostile), None), Answer::Begin, 5_000, |url| nvd(url, 0, 0, 0));
        assert_eq!((walked.fault, walked.urls.len()), (None, 1), "{hostile}");
    }
}

fn euvd(url: &str, day: usize) -> Answer {
    let number = parameter(url, "page");
    let items: Vec<_> = (0..100)
        .map(|n| json!({"id": format!("EUVD-2099-{number}{n:05}"), "description": "A flaw.", "dateUpdated": format!("Nov {day}, 2099, 7:05:08 PM"), "aliases": ""}))
        .collect();
    page(url, json!({"items": items, "total": 100_000_000}).to_string())
}

#[test]
fn a_search_of_the_euvd_ends_where_the_last_one_began() {
    let search = source("euvd", "https://euvd.example/api/search?exploited=true&size=5&page=9");
    let first = drive(&start(&search, None, None), Answer::Begin, 99, |url| euvd(url, 10));
    assert_eq!((first.items(), first.urls.len()), (200, 2));
    assert_eq!(first.urls[1], "https://euvd.example/api/search?exploited=true&page=1&size=100");
    let page_of = |url: &str| parameter(url, "page").parse::<usize>().expect("a number");
    let second =
        drive(&start(&search, first.cursor(), None), Answer::Begin, 99, |url| euvd(url, 14 - 2 * page_of(url)));
    assert_eq!(second.urls.len(), 4, "days 14, 12, 10, and 8 is before the last");
    let endless = drive(&start(&search, first.cursor(), None), Answer::Begin, 999, |url| euvd(url, 20));
    assert_eq!(endless.urls.len(), 50);
    assert!(endless.repairs()[0].contains("rattlewatch import"), "{:?}", endless.repairs());
    let list = source("euvd", "https://euvd.example/api/lastvulnerabilities");
    let body = r#"[{"id": "EUVD-2099-000001"}, {"id": 7}, "x"]"#;
    let listed = drive(&start(&list, None, None), Answer::Begin, 9, |url| page(url, body));
    assert_eq!((listed.items(), listed.dropped(), listed.urls.len()), (1, 2, 1));
}

#[test]
fn pages_of_github_follow_the_link_within_their_own_host_and_end_at_what_is_known() {
    let advisories = source("ghsa", "https://api.example/advisories?type=reviewed");
    let body = |day: usize| {
        let entry = |n: usize| json!({"ghsa_id": format!("GHSA-{day:04}-{n:04}-aaaa"), "summary": "A flaw", "updated_at": format!("2099-11-{day:02}T00:00:00Z")});
        json!([entry(1), entry(2)]).to_string()
    };
    let reply = |url: &str, day: usize, next: Option<&str>| match page(url, body(day)) {
        Answer::Page(mut page) => {
            page.meta.next = next.map(|next| next.parse().expect("an address"));
            Answer::Page(page)
        }
        other => other,
    };
    let mut day = 21;
    let first = drive(&start(&advisories, None, None), Answer::Begin, 99, |url| {
        day -= 1;
        reply(url, day, Some(&format!("https://api.example/advisories?after={day}")))
    });
    assert_eq!((first.urls.len(), first.items(), first.repairs().len()), (2, 4, 0));
    assert_eq!(first.urls[0], "https://api.example/advisories?type=reviewed&sort=updated&direction=desc&per_page=100");
    assert_eq!(first.urls[1], "https://api.example/advisories?after=20");
    let mut day = 23;
    let second = drive(&start(&advisories, first.cursor(), None), Answer::Begin, 99, |url| {
        day -= 1;
        reply(url, day, Some("https://api.example/advisories?after=x"))
    });
    assert_eq!((second.urls.len(), second.items()), (4, 6), "days 22, 21, 20; and 19 is known");
    let away = drive(&start(&advisories, None, None), Answer::Begin, 99, |url| {
        reply(url, 20, Some("https://evil.example/?after=1"))
    });
    assert_eq!(away.urls.len(), 1);
    assert!(away.repairs()[0].contains("another host"), "{:?}", away.repairs());
}
