//! Platforms: what an advisory is tagged with, from its words and from structured data, and what it is not.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod catalog;
mod corpus;
mod hostile;

use std::sync::LazyLock;

use rattlewatch::model::platform::{Field, PlatformId, Product, Role, Tag};
use rattlewatch::platforms::{Catalog, Category, Matcher, TagInput};

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| Matcher::new(&Catalog::built_in()));

fn tags(title: &str, text: &str) -> Vec<Tag> {
    let tags = MATCHER.tag(&TagInput { title, text, ..TagInput::default() });
    tags.into_iter().filter(|tag| tag.role == Role::Affected).collect::<Vec<_>>()
}

fn ids(title: &str, text: &str) -> Vec<String> {
    tags(title, text).into_iter().map(|tag| tag.platform.0).collect()
}

fn product_ids(vendor: &str, product: &str, cpe: &str) -> Vec<String> {
    let products =
        [Product { vendor: vendor.to_owned(), product: product.to_owned(), cpe: cpe.to_owned(), ..Product::default() }];
    in_role(Role::Affected, &TagInput { products: &products, ..TagInput::default() })
}

#[test]
fn every_platform_finds_its_hits_and_leaves_its_misses() {
    let mut wrong = Vec::new();
    for platform in &Catalog::built_in() {
        let id = platform.same_as.as_ref().unwrap_or(&platform.id);
        let tagged = |title: &str, text: &str| tags(title, text).iter().any(|tag| tag.platform == *id);
        // A vendor's name alone says it in titles only.
        let in_text = platform.category != Category::Vendor;
        for hit in &platform.hits {
            if !tagged(hit, "") || (in_text && !tagged("", hit)) {
                wrong.push(format!("{} is not found in: {hit}", platform.id));
            }
        }
        for miss in &platform.misses {
            if tagged(miss, "") || tagged("", miss) {
                wrong.push(format!("{} is found in: {miss}", platform.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_inside_other_words_are_not_names() {
    for text in [
        "Collateral of material value",
        "To enable logging, press the button",
        "A vendor-specific attribute (VSA) of a RADIUS packet overflows",
        "Attackers take control of the server",
        "The superoperator runs a pulse wayfinder",
        "Crafted UDP packets stop the edge device",
        "In other words, excel at patching; the outlook is good",
    ] {
        assert_eq!(ids(text, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_platforms_that_msps_live_on_are_found_by_name() {
    for (text, id) in [
        ("Atera agents run commands of local users", "atera"),
        ("N-able N-central lets strangers in", "n-central"),
        ("Kaseya VSA pushes ransomware to endpoints", "kaseya-vsa"),
        ("Kaseya: shut down your VSA server at once", "kaseya-vsa"),
        ("Pulseway stores keys in clear text", "pulseway"),
        ("SuperOps fixes a flaw of its agent", "superops"),
        ("ConnectSecure shows reports of other tenants", "connectsecure"),
        ("Ivanti Connect Secure runs code before login", "ivanti-connect-secure"),
        ("Veeam ONE leaks the hash of its account", "veeam-one"),
        ("3CX desktop app signed with a trojan", "3cx"),
    ] {
        assert_eq!(ids(text, ""), [id], "{text}");
        assert_eq!(ids("", text), [id], "{text}");
    }
}

#[test]
fn apple_ios_and_cisco_ios_are_told_apart_by_case_and_company() {
    assert_eq!(ids("Apple fixes a flaw in iOS that is exploited", ""), ["ios"]);
    assert_eq!(ids("Cisco IOS reloads on a crafted packet", ""), ["cisco-ios-xe"]);
    assert_eq!(ids("Cisco warns of a flaw in IOS Software", ""), ["cisco-ios-xe"]);
    assert_eq!(ids("", "A bug in IOS was found"), Vec::<String>::new());
}

#[test]
fn spelling_case_and_invisible_characters_do_not_matter() {
    for spelling in
        ["N-central", "N\u{2011}CENTRAL", "n central", "NCentral", "N\u{200b}-Central\u{2122}", "Ｎ-central"]
    {
        assert_eq!(ids(&format!("A flaw in {spelling} is exploited"), ""), ["n-central"], "{spelling}");
    }
    for spelling in ["Veeam Backup & Replication", "VEEAM BACKUP AND REPLICATION", "Veeam Backup &amp; Replication"] {
        assert_eq!(ids("", &format!("{spelling} 12 is affected")), ["veeam-vbr"], "{spelling}");
    }
}

#[test]
fn names_are_found_between_words_of_other_languages() {
    assert_eq!(ids("Une faille d'Atera permet l'élévation de privilèges", ""), ["atera"]);
    assert_eq!(ids("Kritische FortiOS-Lücke wird ausgenutzt", ""), ["fortigate"]);
    assert_eq!(ids("SonicOSの脆弱性が悪用される", ""), ["sonicwall-firewall"]);
}

#[test]
fn the_longer_name_wins_over_the_one_inside_it() {
    assert_eq!(ids("Veeam Service Provider Console runs code", ""), ["veeam-spc"]);
    assert_eq!(ids("Proxmox Backup Server shows its keys", ""), ["proxmox-backup"]);
    assert_eq!(ids("UniFi OS and UniFi Protect are updated", ""), ["unifi-os", "unifi-protect"]);
}

#[test]
fn the_firm_that_tells_the_story_is_not_affected() {
    let text = "According to Huntress, attackers use it. Okta researchers agree, and Proofpoint said so too.";
    assert_eq!(ids("", text), Vec::<String>::new());
}

#[test]
fn what_a_product_runs_on_or_plugs_into_is_not_affected() {
    assert_eq!(ids("", "A VPN client for Windows and macOS leaks its key"), Vec::<String>::new());
    assert_eq!(ids("", "A tester of mobile applications in Android, iOS and Windows"), Vec::<String>::new());
    assert_eq!(ids("", "A tool runs code against a customer's Microsoft IIS web server"), Vec::<String>::new());
    assert_eq!(ids("", "A reader opens files on the user's Windows 11 machine"), Vec::<String>::new());
    assert_eq!(ids("", "A flaw in iOS and macOS leaks keys"), ["ios", "macos"]);
    assert_eq!(ids("", "It weakens features such as Protected View in Microsoft Office"), Vec::<String>::new());
    assert_eq!(ids("Windows Hyper-V Integration Kernel Driver Flaw", ""), Vec::<String>::new());
    assert!(ids("Windows Hyper-V NT Kernel Integration VSP flaw", "").contains(&"hyper-v".to_owned()));
    assert_eq!(ids("", "The Gallery plugin for WordPress stores scripts"), Vec::<String>::new());
    assert_eq!(ids("Apple releases security updates for iOS and macOS", ""), ["ios", "macos"]);
}

#[test]
fn what_attackers_bring_is_mentioned_and_what_they_break_into_is_affected() {
    let affected = |text: &str| ids("", text);
    for brought in [
        "Threat actors deploy AnyDesk to keep their access",
        "The group used phishing to install ScreenConnect clients",
        "Affiliates used legitimate tools such as TeamViewer and Splashtop",
        "Attackers abuse Atera to move on",
    ] {
        assert_eq!(affected(brought), Vec::<String>::new(), "{brought}");
        let tags = MATCHER.tag(&TagInput { text: brought, ..TagInput::default() });
        assert!(tags.iter().any(|tag| tag.role == Role::Mentioned && !tag.evidence.is_empty()), "{brought}");
    }
    for broken in [
        "Threat actors are using CVE-2024-1709 in ScreenConnect",
        "Ransomware actors used unpatched SimpleHelp servers to reach customers",
        "Attackers used a ScreenConnect vulnerability to deploy ransomware",
        "Hackers are using stolen passwords to log in to ScreenConnect",
        "Attackers deploy ransomware through ScreenConnect",
    ] {
        assert_eq!(affected(broken).len(), 1, "{broken}");
    }
    let both = "Attackers deploy AnyDesk. A flaw in AnyDesk lets them in.";
    assert_eq!(affected(both), ["anydesk"]);
}

#[test]
fn a_former_name_and_the_new_one_are_one_platform() {
    assert_eq!(ids("ConnectWise Control lets strangers in", ""), ["screenconnect"]);
    assert_eq!(ids("ScreenConnect lets strangers in", ""), ["screenconnect"]);
    assert_eq!(ids("ConnectWise ScreenConnect, once ConnectWise Control, lets strangers in", ""), ["screenconnect"]);
}

#[test]
fn cpe_names_in_every_spelling_are_read() {
    for cpe in [
        "cpe:2.3:a:veeam:veeam_backup_\\&_replication:12.0.0:*:*:*:*:*:*:*",
        "cpe:/a:veeam:veeam_backup_%26_replication:12",
        "veeam:veeam_backup_&_replication",
    ] {
        assert_eq!(product_ids("", "", cpe), ["veeam-vbr"], "{cpe}");
    }
    assert_eq!(product_ids("fortinet", "fortios", ""), ["fortigate"]);
    assert_eq!(product_ids("dlink", "dir-823x_firmware", ""), ["dlink"]);
    assert_eq!(product_ids("", "", "cpe:2.3:a:acme:rocket:1"), Vec::<String>::new());
}

#[test]
fn names_of_the_kev_catalog_are_read() {
    assert_eq!(product_ids("Kaseya", "Virtual System/Server Administrator (VSA)", ""), ["kaseya-vsa"]);
    assert_eq!(product_ids("Fortinet", "Multiple Products ", ""), ["fortigate"]);
    assert_eq!(product_ids("n-able", "n-central", ""), ["n-central"]);
    assert_eq!(product_ids("Microsoft", "Windows 11 Version 24H2", ""), ["windows"]);
    assert_eq!(product_ids("Microsoft", "Word", ""), ["microsoft-365-apps"]);
    assert_eq!(product_ids("Acme", "Word", ""), Vec::<String>::new());
}

fn in_role(role: Role, input: &TagInput<'_>) -> Vec<String> {
    let tags = MATCHER.tag(input).into_iter().filter(|tag| tag.role == role);
    tags.map(|tag| tag.platform.0).collect()
}

#[test]
fn a_vendor_as_a_whole_is_tagged_where_none_of_its_platforms_is() {
    let title = |title| TagInput { title, ..TagInput::default() };
    assert_eq!(
        in_role(Role::Affected, &title("Fortinet Releases Security Updates for Multiple Products")),
        ["fortinet"]
    );
    assert_eq!(in_role(Role::Affected, &title("Fortinet FortiOS runs code")), ["fortigate"]);
    let fortios = tags("Fortinet FortiOS runs code", "");
    assert_eq!(fortios[0].under, Some(PlatformId("fortinet".to_owned())), "whoever asked for the vendor hears of it");
    assert_eq!(
        in_role(Role::Affected, &title("Advisory cisco-sa-asaftd-bypass-KkNvXyKW is updated")),
        ["cisco-asa-ftd"]
    );
    let text = |text| TagInput { text, ..TagInput::default() };
    assert_eq!(in_role(Role::Affected, &text("A page of Fortinet tells more")), Vec::<String>::new());
    assert_eq!(in_role(Role::Affected, &text("See FG-IR-26-112 for versions")), ["fortinet"]);
    let fortisoar = [Product { cpe: "cpe:2.3:a:fortinet:fortisoar:7.5:*:*:*:*:*:*:*".into(), ..Product::default() }];
    let by_product = TagInput { products: &fortisoar, ..TagInput::default() };
    assert_eq!(in_role(Role::Affected, &by_product), ["fortinet"]);
    let spelled = [Product { vendor: "Fortinet".into(), product: "FortiOS 7.4".into(), ..Product::default() }];
    assert_eq!(in_role(Role::Affected, &TagInput { products: &spelled, ..TagInput::default() }), ["fortigate"]);
}

#[test]
fn a_page_on_a_vendors_own_host_speaks_of_the_vendor() {
    let page = |title, link| TagInput { title, link, ..TagInput::default() };
    let fortinet = "https://www.fortiguard.com/psirt/FG-IR-26-112";
    assert_eq!(in_role(Role::Affected, &page("Notice of 3 May", fortinet)), ["fortinet"]);
    assert_eq!(in_role(Role::Affected, &page("Overflow in FortiOS", fortinet)), ["fortigate"]);
    for other in
        ["https://fortiguard.com.example/psirt", "https://notfortiguard.com/", "fortiguard.com", "", "https://"]
    {
        assert_eq!(in_role(Role::Affected, &page("Notice of 3 May", other)), Vec::<String>::new(), "{other}");
    }
}

#[test]
fn a_vendors_own_feed_speaks_of_its_only_platform() {
    let only = [PlatformId("n-central".to_owned())];
    let tags = MATCHER.tag(&TagInput { title: "Notice of 3 May", source_platforms: &only, ..TagInput::default() });
    assert_eq!(tags.len(), 1);
    assert_eq!((tags[0].platform.0.as_str(), tags[0].evidence[0].field), ("n-central", Field::Source));
    let several = ["connectwise-psa", "connectwise-automate"].map(|id| PlatformId(id.to_owned()));
    let by = |title| MATCHER.tag(&TagInput { title, source_platforms: &several, ..TagInput::default() });
    assert_eq!(by("Notice of 3 May"), Vec::new());
    assert_eq!(by("Automate 2026.1 security fix")[0].platform.0, "connectwise-automate");
}

#[test]
fn evidence_shows_the_words_as_published_and_where() {
    let text = "Ünïcode first. Then N\u{2011}Central,\nthe RMM.";
    let tag = tags("", text).remove(0);
    let evidence = &tag.evidence[0];
    assert_eq!((evidence.field, evidence.alias.as_str()), (Field::Text, "N-central"));
    assert_eq!(evidence.matched, "N\u{2011}Central");
    assert_eq!(&text[evidence.offset..evidence.offset + evidence.matched.len()], evidence.matched);
}

#[test]
fn confidence_grows_from_text_to_title_to_structured_data() {
    let by = |title, text, products: &[Product]| {
        MATCHER.tag(&TagInput { title, text, products, ..TagInput::default() })[0].confidence
    };
    let product = Product { cpe: "fortinet:fortios".to_owned(), ..Product::default() };
    let weak = by("", "Cisco says that the FTD is affected", &[]);
    let text = by("", "A flaw in FortiOS", &[]);
    let often = by("", "A flaw in FortiOS. FortiOS 7 is affected. Update FortiOS.", &[]);
    let title = by("A flaw in FortiOS", "", &[]);
    let structured = by("", "", &[product]);
    assert!(0.5 <= weak && weak < text && text < often && often < title && title < structured, "{weak} {text} {often}");
}

#[test]
fn part_of_an_address_is_not_a_mention() {
    assert_eq!(ids("", "See https://www.okta.com/blog or write to help@zabbix.com"), Vec::<String>::new());
    assert_eq!(ids("", "Okta. See https://example.org/"), ["okta"]);
}
