//! The catalog: what ships is whole, and what is wrong in a file is told with its line and key, all at once.

use rattlewatch::platforms::{Catalog, Category};

fn faults(text: &str) -> Vec<String> {
    match Catalog::parse(text, "platforms.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.0.iter().map(ToString::to_string).collect(),
    }
}

fn platform(lines: &str) -> String {
    let rest = [("name", "\"Acme\""), ("vendor", "\"Acme\""), ("category", "\"rmm\""), ("aliases", "[\"Acme RMM\"]")];
    let mut text = "[[platform]]\n".to_owned();
    for (key, value) in [("id", "\"acme-rmm\""), ("hits", "[\"Acme RMM\"]")].iter().chain(&rest) {
        if !lines.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text + lines + "\n"
}

#[test]
fn the_built_in_catalog_is_whole() {
    let catalog = Catalog::built_in();
    let vendors = catalog.iter().filter(|platform| platform.category == Category::Vendor).count();
    assert_eq!((catalog.len() - vendors, vendors), (334, 30));
    assert_eq!(catalog.ids().len(), catalog.len());
    for category in Category::ALL {
        assert!(catalog.iter().any(|platform| platform.category == category), "{}", category.as_str());
    }
    for id in ["connectwise-automate", "screenconnect", "datto-rmm", "n-central", "apc-schneider"] {
        assert_eq!(catalog.get(id).map(|platform| platform.id.0.as_str()), Some(id));
    }
    assert!(catalog.get("acme").is_none());
    for platform in &catalog {
        let examples =
            !platform.hits.is_empty() || (platform.category == Category::Vendor && platform.aliases.is_empty());
        assert!(examples, "{} has no example", platform.id);
        assert!(platform.weak.is_empty() || !platform.misses.is_empty(), "{} has weak names but no miss", platform.id);
    }
}

#[test]
fn every_fault_is_told_at_once_with_line_and_key() {
    let text = "[[platform]]\nid = \"Acme RMM\"\nname = 3\nvendor = \"Acme\"\ncategory = \"rnm\"\nalias = [\"Acme\"]\n\
                aliases = [\"A\", \"\"]\ncpes = [\"acme\"]\nkev = [\"Acme\"]\nhits = []\nweak = [\"it\"]\nexact = [\"Other\"]\n";
    assert_eq!(
        faults(text),
        [
            "platforms.toml:2: platform Acme RMM: hits: no example; write a sentence that must be tagged",
            "platforms.toml:2: platform Acme RMM: id: must be 1 to 64 lowercase letters, digits and single hyphens",
            "platforms.toml:3: platform Acme RMM: name: must be text in quotation marks, not of type integer",
            "platforms.toml:5: platform Acme RMM: category: 'rnm' is no category; did you mean 'rmm'?",
            "platforms.toml:6: platform Acme RMM: alias: unknown key; did you mean 'aliases'?",
            "platforms.toml:7: platform Acme RMM: aliases: holds an empty text; drop it",
            "platforms.toml:7: platform Acme RMM: aliases: 'A' is too short to be told from chance; needs 3 letters or digits",
            "platforms.toml:8: platform Acme RMM: cpes: 'acme' must be 'vendor:product' of a CPE name; '*' only at its end",
            "platforms.toml:9: platform Acme RMM: kev: must be 'Vendor/Product' as the catalog writes them",
            "platforms.toml:11: platform Acme RMM: weak: weak names never count without a 'near' list; add one",
            "platforms.toml:12: platform Acme RMM: exact: 'Other' is none of its names; list it in aliases, former, weak or near too",
        ]
    );
}

#[test]
fn a_name_of_two_platforms_must_be_weak_in_both_or_theirs_together() {
    let one = platform("aliases = [\"Acme Control\"]");
    let other = |extra: &str| [one.clone(), platform(&format!("id = \"other\"\n{extra}"))].concat();
    let told = faults(&other("aliases = [\"ACME-control\"]"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("platform other: aliases: 'ACME-control' is also a name of platform acme-rmm"),
        "{told:?}"
    );
    assert_eq!(faults(&other("aliases = [\"Acme Control\"]\nsame_as = \"acme-rmm\"")), Vec::<String>::new());
    let weak = "aliases = []\nweak = [\"Acme Control\"]\nnear = [\"Acme\"]";
    let both = [platform(weak), platform(&format!("id = \"other\"\n{weak}"))].concat();
    assert_eq!(faults(&both), Vec::<String>::new());
}

#[test]
fn ids_must_be_their_own_and_twins_must_exist() {
    let told = faults(&[platform(""), platform("aliases = [\"Other\"]\nsame_as = \"acme-rnm\"")].concat());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|fault| fault.contains("is also the id of the platform on line 2")), "{told:?}");
    assert!(
        told.iter()
            .any(|fault| fault.contains("same_as: 'acme-rnm' is no platform of this file; did you mean 'acme-rmm'?"))
    );
}

#[test]
fn broken_and_empty_files_are_refused() {
    assert!(faults("")[0].contains("no [[platform]] in this file"));
    assert!(faults("[[platform]\n")[0].starts_with("platforms.toml:1: syntax: "));
    assert!(faults("platforms = 1\n")[0].contains("platforms.toml:1: platforms: unknown key"));
    assert!(faults("platform = [1]\n")[0].contains("must be a table"));
    assert!(Catalog::load(Some(std::path::Path::new("/nonexistent/platforms.toml"))).is_err());
}

#[test]
fn a_slip_in_an_id_and_a_plain_name_are_understood() {
    let catalog = Catalog::built_in();
    assert_eq!(catalog.closest("screenconect"), Some("screenconnect"));
    assert_eq!(catalog.closest("Screen-Connect"), Some("screenconnect"));
    assert_eq!(catalog.closest("Veeam Backup & Replication"), Some("veeam-vbr"));
    assert_eq!(catalog.closest("zzzzzzzz"), None);
    assert_eq!(catalog.closest(""), None);
}
