//! Weaknesses: what the commonest CWE ids mean to somebody who does not know them.

/// What an attacker gains by a weakness, as the end of the sentence "A flaw that ..."; absent for ids that are not listed.
#[must_use]
pub fn effect(cwe: &str) -> Option<&'static str> {
    let number: u32 = cwe.strip_prefix("CWE-")?.parse().ok()?;
    EFFECTS.iter().find(|(numbers, _)| numbers.contains(&number)).map(|(_, effect)| *effect)
}

/// CWE numbers (cwe.mitre.org), and what they come to. Kin stand together.
const EFFECTS: &[(&[u32], &str)] = &[
    (&[287, 288, 289, 290, 294, 302, 303, 304, 305, 592, 1390], "lets an attacker get past the sign-in"),
    (&[306], "lets an attacker use it without signing in"),
    (&[307, 521, 640, 799], "lets an attacker guess or reset passwords"),
    (
        &[255, 256, 257, 259, 260, 312, 319, 321, 522, 523, 798, 1391, 1392],
        "exposes passwords or keys, or comes with known ones",
    ),
    (&[284, 285, 639, 862, 863, 425, 552, 732], "lets people reach what they have no permission for"),
    (&[250, 266, 269, 271, 273, 276, 281], "lets somebody who is already in gain higher rights"),
    (&[77, 78, 88, 1236], "lets an attacker run commands on the system"),
    (&[94, 95, 96, 917, 1321, 1336], "lets an attacker run code of their own"),
    (&[502], "lets an attacker run code by sending crafted data"),
    (&[434], "lets an attacker upload a file that the system then runs"),
    (&[22, 23, 24, 35, 36, 73], "lets an attacker read or write files that are out of bounds"),
    (&[89, 564, 943], "lets an attacker read or change the database"),
    (&[79, 80, 116], "lets an attacker run script in the browser of somebody who is signed in"),
    (&[352], "lets an attacker act with the rights of somebody who opens a crafted page"),
    (&[918], "lets an attacker send requests from inside the network"),
    (&[611, 776, 91, 643], "lets an attacker read files or reach systems by crafted XML"),
    (
        &[119, 120, 121, 122, 123, 124, 126, 131, 190, 191, 193, 415, 416, 680, 787, 823, 824, 843],
        "corrupts memory, by which an attacker may crash it or run code",
    ),
    (&[125, 127, 200, 201, 203, 209, 359, 497, 532, 538, 668, 908], "gives away information that should stay inside"),
    (&[400, 401, 404, 476, 617, 674, 770, 834, 835, 1333], "lets an attacker bring it to a halt"),
    (
        &[295, 297, 310, 311, 326, 327, 330, 331, 338, 345, 347],
        "lets an attacker pass for somebody else or read protected traffic",
    ),
    (&[427, 426, 428, 829, 494], "makes it load code that an attacker put in its way"),
    (&[59, 362, 367], "lets somebody on the system trick it into touching the wrong file"),
    (&[601], "sends people to an address that an attacker chose"),
    (&[384, 613, 1275], "lets an attacker take over a session"),
    (&[444], "lets an attacker smuggle requests past a gateway"),
    (&[506, 912], "contains code that an attacker planted"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_ids_have_plain_words_and_no_id_has_two() {
        assert_eq!(effect("CWE-288"), Some("lets an attacker get past the sign-in"));
        assert_eq!(effect("CWE-99999"), None);
        assert_eq!(effect("NVD-CWE-noinfo"), None);
        let mut all: Vec<u32> = EFFECTS.iter().flat_map(|(numbers, _)| numbers.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
