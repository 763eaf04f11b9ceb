//! What surrounds a name: its sentence, the words between two places, and the part that it plays there.
//!
//! Rule: everything here looks a bounded way to either side, so that no text makes matching slow.

/// The farthest that a sentence is followed to either side, in bytes.
pub(super) const SENTENCE_MAX: usize = 600;
/// Context this many words away counts, even beyond the sentence.
const WORDS_NEAR: usize = 12;
/// The farthest that a role is looked for before a name, in words.
const ROLE_WORDS: usize = 8;

/// Whether `c` is part of a word of a script that parts its words: names stand free in Chinese or Japanese text.
pub(super) fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c < '\u{2e80}' && c.is_alphanumeric() }
}

/// The sentence around `start..end` in folded text, bounded.
pub(super) fn sentence(text: &str, start: usize, end: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let ends = |at: usize| match bytes[at] {
        b'\n' => true,
        b'.' | b'!' | b'?' => matches!(bytes.get(at + 1), None | Some(b' ' | b'\n')),
        _ => false,
    };
    let floor = start.saturating_sub(SENTENCE_MAX);
    let ceiling = (end + SENTENCE_MAX).min(bytes.len());
    let from = (floor..start).rev().find(|at| ends(*at)).map_or(floor, |at| at + 1);
    let to = (end..ceiling).find(|at| ends(*at)).unwrap_or(ceiling);
    (from, to)
}

/// Whether at most twelve words lie between `from` and `to`, which stand in this order.
pub(super) fn few_words(text: &str, from: usize, to: usize) -> bool {
    let Some(between) = text.as_bytes().get(from..to) else { return false };
    between.len() <= SENTENCE_MAX && between.iter().filter(|byte| matches!(byte, b' ' | b'\n')).count() <= WORDS_NEAR
}

/// Words after a name that make it the one who speaks.
const SPEAKS: [&str; 22] = [
    "researcher",
    "researchers",
    "research",
    "labs",
    "threat labs",
    "threat research",
    "threat intelligence",
    "threat analysis",
    "threat hunters",
    "threat hunting",
    "security research",
    "security researcher",
    "security researchers",
    "security intelligence",
    "analysts",
    "incident responders",
    "said",
    "says",
    "told",
    "warned",
    "x force",
    "red team",
];

/// Words before a name that make it the one who speaks.
const SPOKEN_BY: [&str; 16] = [
    "according to",
    "researchers at",
    "researchers from",
    "researchers with",
    "researcher at",
    "reported by",
    "discovered by",
    "disclosed by",
    "observed by",
    "published by",
    "identified by",
    "credited to",
    "credits to",
    "thanks to",
    "analysis by",
    "a report from",
];

/// Whether the name at `start..end` is the publisher or finder of what is told, not what is affected.
pub(super) fn speaks(text: &str, start: usize, end: usize) -> bool {
    let after = text[end..].trim_start_matches("'s").trim_start_matches("’s");
    let after = after.strip_prefix(' ').unwrap_or("");
    if SPEAKS.iter().any(|words| begins_with(after, words)) {
        return true;
    }
    let before = text[..start].trim_end_matches(' ');
    let before = before.strip_suffix(" the").unwrap_or(before);
    SPOKEN_BY.iter().any(|words| before.ends_with(words))
}

/// Words after a name that take it out of what is affected.
const UNTOUCHED: [&str; 8] = [
    "is not affected",
    "are not affected",
    "is not vulnerable",
    "are not vulnerable",
    "is not impacted",
    "are not impacted",
    "is unaffected",
    "are unaffected",
];

/// Whether what follows the name that ends at `end` says that it is not affected.
pub(super) fn untouched(text: &str, end: usize) -> bool {
    let after = text[end..].strip_prefix(' ').unwrap_or("");
    UNTOUCHED.iter().any(|words| begins_with(after, words))
}

/// Whether `text` begins with `words`, and those end there.
fn begins_with(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| !rest.chars().next().is_some_and(is_word))
}

/// Words before a name that make it what attackers brought along or put to their use.
const BROUGHT: [&str; 30] = [
    "deploy",
    "deploys",
    "deployed",
    "deploying",
    "install",
    "installs",
    "installed",
    "installing",
    "download",
    "downloads",
    "downloaded",
    "downloading",
    "drop",
    "drops",
    "dropped",
    "dropping",
    "abuse",
    "abuses",
    "abused",
    "abusing",
    "leverage",
    "leverages",
    "leveraged",
    "leveraging",
    "use",
    "uses",
    "used",
    "using",
    "including",
    "misuse",
];

/// Words in the sentence before it that tell who brought it.
const ATTACKERS: [&str; 17] = [
    "attackers",
    "attacker",
    "actors",
    "actor",
    "adversaries",
    "adversary",
    "criminals",
    "cybercriminals",
    "hackers",
    "intruders",
    "affiliates",
    "group",
    "gang",
    "operators",
    "threat",
    "malware",
    "ransomware",
];

/// How many words may stand between such a word and the name.
const BROUGHT_WITHIN: usize = 7;

/// Beginnings of words that, beside a name, make it what was broken into.
const BROKEN: [&str; 12] = [
    "exploit",
    "vulnerab",
    "flaw",
    "bug",
    "cve",
    "zero",
    "unpatched",
    "outdated",
    "compromised",
    "hacked",
    "server",
    "instance",
];

/// Words between the deed and the name that make the name the way in, not the tool.
const THROUGH: [&str; 8] = ["in", "to", "into", "against", "through", "via", "of", "from"];

/// How many words after a name say what of it is meant.
const AFTER: usize = 2;

/// Whether the name at `start..end` is a tool that attackers brought along: it need have no flaw.
pub(super) fn brought(text: &str, start: usize, end: usize) -> bool {
    let mut from = start.saturating_sub(SENTENCE_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = &text[from..start];
    let sentence = before.rfind(['\n', '.', ';']).map_or(before, |at| &before[at + 1..]);
    let words: Vec<&str> = words_of(sentence).collect();
    let near = &words[words.len().saturating_sub(BROUGHT_WITHIN)..];
    let Some(at) = near.iter().rposition(|word| BROUGHT.contains(word)) else { return false };
    let broken = |word: &str| BROKEN.iter().any(|beginning| word.starts_with(beginning));
    let way_in = near[at..].iter().any(|word| broken(word) || THROUGH.contains(word));
    !way_in && !words_of(&text[end..]).take(AFTER).any(broken) && words.iter().any(|word| ATTACKERS.contains(word))
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

/// Words that lead from a product to what it runs on.
const ON: [&str; 6] = ["for", "on", "under", "onto", "running", "from"];

/// Those whose system it is, in "on the user's Windows machine".
const THEIRS: [&str; 5] = ["user", "victim", "customer", "target", "attacker"];

/// Words passed over on the way back from a name to such a word.
const PASSED_OVER: [&str; 38] = [
    "the",
    "a",
    "an",
    "any",
    "all",
    "both",
    "some",
    "other",
    "microsoft",
    "ms",
    "google",
    "apple",
    "oracle",
    "atlassian",
    "and",
    "or",
    "windows",
    "linux",
    "mac",
    "macos",
    "os",
    "x",
    "android",
    "ios",
    "unix",
    "server",
    "servers",
    "32",
    "64",
    "bit",
    "x86",
    "x64",
    "ubuntu",
    "debian",
    "host",
    "hosts",
    "machines",
    "systems",
];

/// Words before which "for" says what a notice is about, not what a product runs on.
const NOTICES: [&str; 26] = [
    "update",
    "updates",
    "patch",
    "patches",
    "advisory",
    "advisories",
    "alert",
    "alerts",
    "guidance",
    "mitigation",
    "mitigations",
    "fix",
    "fixes",
    "hotfix",
    "hotfixes",
    "exploit",
    "exploits",
    "bulletin",
    "bulletins",
    "vulnerability",
    "vulnerabilities",
    "flaw",
    "flaws",
    "release",
    "releases",
    "workaround",
];

/// Words before "in" that make a name what they run on.
const RUN: [&str; 6] = ["app", "apps", "application", "applications", "software", "programs"];

/// Words right after a name that make it what something else runs on.
const PARTS: [&str; 12] = [
    "app",
    "apps",
    "client",
    "clients",
    "agent",
    "agents",
    "module",
    "modules",
    "platforms",
    "integration",
    "integrations",
    "connector",
];

/// Words soon after a name that make it what something else plugs into.
const PLUGS_IN: [&str; 11] = [
    "plugin",
    "plugins",
    "plug in",
    "plug ins",
    "theme",
    "themes",
    "extension",
    "extensions",
    "add on",
    "add ons",
    "addon",
];

/// How many words may stand between a name and such a word.
const PLUGS_IN_WITHIN: usize = 4;

/// Words before a name that make it an example or a comparison.
const LIKENS: [&str; 14] = [
    "such as",
    "like",
    "e.g.",
    "e.g.,",
    "for example",
    "for example,",
    "for instance,",
    "alternative to",
    "compatible with",
    "similar to",
    "integrates with",
    "integration with",
    "based on",
    "built on",
];

/// Whether what follows the name that ends at `end` makes it what something else plugs into.
pub(super) fn takes_plug(text: &str, end: usize) -> bool {
    let after = text[end..].strip_prefix(' ').unwrap_or("");
    let ends = |at: &usize| matches!(after.as_bytes()[*at], b'.' | b',' | b';' | b':' | b'(' | b'\n');
    let most = after.floor_char_boundary(SENTENCE_MAX);
    let clause = &after[..(0..most).find(ends).unwrap_or(most)];
    let starts = std::iter::once(0).chain(clause.match_indices(' ').map(|(at, _)| at + 1)).take(PLUGS_IN_WITHIN);
    starts.into_iter().any(|at| PLUGS_IN.iter().any(|word| begins_with(&clause[at..], word)))
}

/// Whether the text up to a name says "such as some feature in": the feature is an example, and so is what has it.
fn example_in(before: &str) -> bool {
    let Some(before) = before.strip_suffix(" in").or_else(|| before.strip_suffix(" of")) else { return false };
    let mut words = before.rsplit(' ').take(EXAMPLE_WORDS);
    words.by_ref().any(|word| word == "as") && words.next() == Some("such")
}

/// The most words of such an example, "such as" included.
const EXAMPLE_WORDS: usize = 6;

/// Whether the name at `start..end` says what something else runs on, plugs into or is like.
pub(super) fn hosts(text: &str, start: usize, end: usize) -> bool {
    let after = text[end..].strip_prefix(' ').unwrap_or("");
    if PARTS.iter().any(|word| begins_with(after, word)) || takes_plug(text, end) {
        return true;
    }
    let before = text[..start].trim_end_matches(' ');
    if LIKENS.iter().any(|words| before.ends_with(words)) || example_in(before) {
        return true;
    }
    let mut from = start.saturating_sub(SENTENCE_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = &text[from..start];
    let mut words = before.rsplit([' ', ',', '(', '/']).filter(|word| !word.is_empty()).take(ROLE_WORDS);
    while let Some(word) = words.next() {
        if THEIRS.iter().any(|person| word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")) == Some(*person)) {
            return true;
        }
        if ON.contains(&word) {
            return word != "for" || !words.next().is_some_and(|word| NOTICES.contains(&word));
        }
        if !PASSED_OVER.contains(&word) {
            return word == "in" && words.next().is_some_and(|word| RUN.contains(&word));
        }
    }
    false
}
