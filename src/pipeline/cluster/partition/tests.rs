use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, prop_assert_eq, proptest};

use super::*;
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::pipeline::cluster::Title;

fn node(key: &str, ids: &[&str], cves: &[&str], vendor: &str) -> Node {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let cves: BTreeSet<CveId> = cves.iter().map(|cve| cve.parse().expect("a CVE id")).collect();
    Node {
        key: key.to_owned(),
        publisher: key.chars().take(1).collect(),
        ids: set(ids),
        url: None,
        round_up: false,
        refers_to: None,
        vendors: if vendor.is_empty() { BTreeSet::new() } else { set(&[vendor]) },
        products: BTreeSet::new(),
        rank: u8::from(ids.is_empty()) * 2,
        title: cves.is_empty().then(|| Title::new("", Timestamp(0))),
        cves,
        pin: None,
    }
}

fn titled(key: &str, title: &str) -> Node {
    Node { title: Some(Title::new(title, Timestamp(0))), ..node(key, &[], &[], "") }
}

/// The keys that came together, sorted.
fn together(nodes: &[Node]) -> Vec<Vec<String>> {
    let keys = |cluster: Cluster| -> Vec<String> {
        let mut keys: Vec<String> = cluster.members.iter().map(|(index, _)| nodes[*index].key.clone()).collect();
        keys.sort();
        keys
    };
    let mut all: Vec<Vec<String>> = partition(nodes).into_iter().map(keys).collect();
    all.sort();
    all
}

const A: &str = "CVE-2024-1708";
const B: &str = "CVE-2024-1709";
const C: &str = "CVE-2024-2000";

#[test]
fn the_bulletin_gathers_the_records_of_its_flaws() {
    let nodes = [
        node("record-a", &[], &[A], "connectwise"),
        node("kev-b", &[], &[B], "connectwise"),
        node("bulletin", &[], &[A, B], ""),
        node("cert", &["AV24-100"], &[A, B], ""),
        node("other", &[], &[C], "connectwise"),
    ];
    assert_eq!(together(&nodes), [vec!["bulletin", "cert", "kev-b", "record-a"], vec!["other"]]);
    let cluster = partition(&nodes).remove(0);
    let reasons: Vec<String> = cluster.members.iter().map(|(_, reason)| reason.to_string()).collect();
    assert!(reasons.contains(&"its CVE ids are all among those of a wider advisory".to_owned()), "{reasons:?}");
}

#[test]
fn a_round_up_joins_nothing_whether_it_says_so_or_its_parts_do() {
    let mut said = node("adds-two", &[], &[A, B], "");
    said.round_up = true;
    let parts = [node("record-a", &[], &[A], ""), node("record-b", &[], &[B], "")];
    assert_eq!(together(&[said, parts[0].clone(), parts[1].clone()]).len(), 3);

    let vendors = [node("list", &[], &[A, C], ""), node("x", &[], &[A], "acme"), node("y", &[], &[C], "other")];
    assert_eq!(together(&vendors).len(), 3, "two vendors");
    let series = [
        node("list", &[], &[A, B, C], ""),
        node("x", &["FG-IR-24-001"], &[A, B], ""),
        node("y", &["FG-IR-24-002"], &[C], ""),
    ];
    assert_eq!(together(&series).len(), 3, "two bulletins");
}

#[test]
fn two_ids_of_one_series_are_two_advisories_even_over_one_flaw() {
    let nodes = [
        node("a", &["ICSA-24-001-01"], &[A], "acme"),
        node("b", &["ICSA-24-001-02"], &[A], "other"),
        node("feed", &["ICSA-24-001-01"], &[], ""),
        node("record", &[], &[A], "other"),
    ];
    assert_eq!(together(&nodes), [vec!["a", "feed"], vec!["b", "record"]]);
}

#[test]
fn a_shared_component_is_held_apart_from_the_product_that_has_it() {
    let nodes = [node("bulletin", &["SSA-1"], &[A, B], "siemens"), node("record", &[], &[A], "openssl")];
    assert_eq!(together(&nodes).len(), 2);
}

#[test]
fn one_reference_joins_and_a_contradiction_does_not() {
    let refers =
        |key: &str, to: &str, cves: &[&str]| Node { refers_to: Some(to.to_owned()), ..node(key, &[], cves, "") };
    let bulletin = node("bulletin", &["FG-IR-24-423"], &[A], "fortinet");
    let silent = [bulletin.clone(), refers("alert", "id:FG-IR-24-423", &[])];
    assert_eq!(together(&silent), [vec!["alert", "bulletin"]]);
    let other = [bulletin.clone(), refers("alert", "id:FG-IR-24-423", &[C])];
    assert_eq!(together(&other).len(), 2, "it speaks of another flaw");
    let page = Node { url: Some("https://a.example/1".to_owned()), ..bulletin };
    assert_eq!(together(&[page, refers("alert", "url:https://a.example/1", &[])]).len(), 1);
}

#[test]
fn titles_join_only_what_has_no_cve_and_another_publisher() {
    let text = "Compromised managed service providers used to attack their customers";
    assert_eq!(together(&[titled("us", text), titled("fbi", text)]).len(), 1);
    assert_eq!(together(&[titled("u1", text), titled("u2", text)]).len(), 2, "one publisher");
    let flaw = Node { title: Some(Title::new(text, Timestamp(0))), ..node("fbi", &[], &[A], "") };
    assert_eq!(together(&[titled("us", text), flaw]).len(), 2);
}

#[test]
fn what_an_operator_has_put_together_or_apart_stays_so() {
    let pinned = |key: &str, cves: &[&str], pin: &str| Node {
        pin: Some(AdvisoryId(pin.to_owned())),
        ..node(key, &[], cves, "")
    };
    assert_eq!(together(&[pinned("a", &[A], "RW-1"), pinned("b", &[B], "RW-1"), node("c", &[], &[B], "")]).len(), 1);
    assert_eq!(together(&[pinned("a", &[A], "RW-1"), pinned("b", &[A], "RW-2")]).len(), 2);
    let mut with_ids = [pinned("a", &[], "RW-1"), pinned("b", &[], "RW-2"), node("c", &["FG-IR-24-001"], &[], "")];
    with_ids[0].ids.insert("FG-IR-24-001".to_owned());
    with_ids[1].ids.insert("FG-IR-24-001".to_owned());
    assert_eq!(together(&with_ids), [vec!["a", "c"], vec!["b"]]);
}

fn any_node() -> impl Strategy<Value = Node> {
    let ids = proptest::sample::subsequence(vec!["FG-IR-24-001", "FG-IR-24-002", "ICSA-24-001-01", "AV24-001"], 0..2);
    let cves = proptest::sample::subsequence(vec![A, B, C, "CVE-2024-3000"], 0..4);
    let vendor = proptest::sample::select(vec!["", "", "acme", "other"]);
    let refers = proptest::sample::select(vec![None, None, Some("id:FG-IR-24-001"), Some("id:AV24-001")]);
    (ids, cves, vendor, refers, 0..4_u8, proptest::bool::weighted(0.1)).prop_map(
        |(ids, cves, vendor, refers, rank, round_up)| Node {
            refers_to: refers.map(str::to_owned),
            rank,
            round_up,
            ..node("", &ids, &cves, vendor)
        },
    )
}

fn any_nodes() -> impl Strategy<Value = (Vec<Node>, Vec<Node>)> {
    proptest::collection::vec(any_node(), 1..14).prop_flat_map(|mut nodes| {
        for (number, node) in nodes.iter_mut().enumerate() {
            node.key = format!("{}{number}", ["a", "b", "c"][number % 3]);
        }
        (Just(nodes.clone()), Just(nodes).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter((nodes, shuffled) in any_nodes()) {
        prop_assert_eq!(together(&nodes), together(&shuffled));
    }

    #[test]
    fn nothing_is_lost_or_doubled((nodes, _) in any_nodes()) {
        let mut seen: Vec<usize> = partition(&nodes).iter().flat_map(|cluster| cluster.members.iter().map(|(index, _)| *index)).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..nodes.len()).collect::<Vec<_>>());
    }
}
