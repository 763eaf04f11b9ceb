//! What a server says (RFC 9051 section 7), as far as reading a folder needs it. Everything else is passed over.

/// One answer: its lines, and the literals between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// Line, literal, line, ...: literals stand at the odd places.
    pub pieces: Vec<Vec<u8>>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Done.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
}

/// One message's data, as far as the answer holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    pub uid: Option<u32>,
    pub size: Option<u64>,
    pub body: Option<Vec<u8>>,
}

impl Response {
    /// The first line; bytes that are not ASCII become question marks.
    pub(super) fn line(&self) -> String {
        let line = self.pieces.first().map_or(&[][..], Vec::as_slice);
        line.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
    }

    /// What follows `tag` and a space, where the answer begins with it.
    fn after(&self, tag: &str) -> Option<String> {
        self.line().strip_prefix(tag)?.strip_prefix(' ').map(str::to_owned)
    }

    /// What an untagged answer says, where its first word is `word`.
    pub(super) fn untagged(&self, word: &str) -> Option<String> {
        let text = self.after("*")?;
        let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
        first.eq_ignore_ascii_case(word).then(|| rest.to_owned())
    }

    /// How the command with this tag ended, and what was said of it.
    pub(super) fn ending(&self, tag: &str) -> Option<(Status, String)> {
        let text = self.after(tag)?;
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let status = match word.to_ascii_uppercase().as_str() {
            "OK" => Status::Ok,
            "NO" => Status::No,
            _ => Status::Bad,
        };
        Some((status, rest.to_owned()))
    }

    /// The number of messages in the folder (`* 23 EXISTS`).
    pub(super) fn exists(&self) -> Option<u32> {
        let text = self.after("*")?;
        let (number, word) = text.split_once(' ')?;
        word.eq_ignore_ascii_case("EXISTS").then(|| number.parse().ok()).flatten()
    }

    /// The validity of the folder's UIDs (`* OK [UIDVALIDITY 3857529045]`).
    pub(super) fn uid_validity(&self) -> Option<u32> {
        let text = self.untagged("OK")?.to_ascii_uppercase();
        let rest = text.strip_prefix("[UIDVALIDITY ")?;
        rest.split(']').next()?.trim().parse().ok()
    }

    /// The data of `* 12 FETCH (...)`; absent for any other answer.
    pub(super) fn fetched(&self) -> Option<Fetched> {
        let text = self.after("*")?;
        let mut words = text.splitn(3, ' ');
        let number: Option<u32> = words.next()?.parse().ok();
        let is_fetch = number.is_some() && words.next()?.eq_ignore_ascii_case("FETCH");
        is_fetch.then(|| self.read_list())
    }

    fn read_list(&self) -> Fetched {
        let mut found = Fetched::default();
        let tokens = self.tokens();
        let start = tokens.iter().position(|token| *token == Token::Open).map_or(tokens.len(), |at| at + 1);
        let mut at = start;
        while let Some(Token::Atom(name)) = tokens.get(at) {
            let value = tokens.get(at + 1);
            let name = name.to_ascii_uppercase();
            match value {
                Some(Token::Atom(value)) if name == "UID" => found.uid = value.parse().ok(),
                Some(Token::Atom(value)) if name == "RFC822.SIZE" => found.size = value.parse().ok(),
                Some(Token::Atom(_)) if name.starts_with("BODY[") => found.body = Some(Vec::new()),
                Some(Token::Text(value)) if name.starts_with("BODY[") => found.body = Some(value.clone()),
                _ => {}
            }
            at += 1 + length_of_value(&tokens[(at + 1).min(tokens.len())..]);
        }
        found
    }

    /// The words of the answer: atoms (with what stands in their brackets), texts, and parentheses.
    fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            if index % 2 == 1 {
                tokens.push(Token::Text(piece.clone()));
            } else {
                scan(piece, &mut tokens);
            }
        }
        tokens
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Atom(String),
    Text(Vec<u8>),
}

/// How many tokens the value at the front takes: one, or a list to its end.
fn length_of_value(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

fn scan(line: &[u8], tokens: &mut Vec<Token>) {
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        match first {
            b' ' => rest = after,
            b'(' | b')' => {
                tokens.push(if first == b'(' { Token::Open } else { Token::Close });
                rest = after;
            }
            b'"' => {
                let (text, left) = quoted(after);
                tokens.push(Token::Text(text));
                rest = left;
            }
            _ => {
                let end = end_of_atom(rest);
                let atom = &rest[..end];
                // The announcement of a literal, which is a piece of its own.
                if !atom.starts_with(b"{") && !atom.starts_with(b"~{") {
                    tokens.push(Token::Atom(String::from_utf8_lossy(atom).into_owned()));
                }
                rest = &rest[end..];
            }
        }
    }
}

/// A quoted string after its opening mark, and what follows it.
fn quoted(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'"' => return (text, &rest[at + 1..]),
            b'\\' => at += 1,
            _ => {}
        }
        text.extend(rest.get(at));
        at += 1;
    }
    (text, &[])
}

/// Spaces and parentheses within brackets belong to the atom: `BODY[HEADER.FIELDS (FROM)]`.
fn end_of_atom(rest: &[u8]) -> usize {
    let mut in_brackets = false;
    for (index, byte) in rest.iter().enumerate() {
        match byte {
            b'[' => in_brackets = true,
            b']' => in_brackets = false,
            b' ' | b'(' | b')' | b'"' if !in_brackets => return index,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(pieces: &[&str]) -> Response {
        Response { pieces: pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect() }
    }

    #[test]
    fn fetched_data_is_found_among_what_was_not_asked_for() {
        let found = response(&[
            "* 12 FETCH (FLAGS (\\Seen (x)) UID 7 ENVELOPE (NIL \"a) UID 9\") BODY[HEADER.FIELDS (FROM)] {9}",
            "From: a\r\n",
            " RFC822.SIZE 44827)",
        ]);
        let expected = Fetched { uid: Some(7), size: Some(44_827), body: Some(b"From: a\r\n".to_vec()) };
        assert_eq!(found.fetched(), Some(expected));
        assert_eq!(response(&["* 12 FETCH (FLAGS (\\Seen))"]).fetched(), Some(Fetched::default()));
        assert_eq!(response(&["* 12 EXPUNGE"]).fetched(), None);
        let quoted = response(&["* 1 fetch (uid 3 BODY[] \"a \\\"b\\\\\")"]).fetched().expect("data");
        assert_eq!(quoted.body.as_deref(), Some(&b"a \"b\\"[..]));
        assert_eq!(response(&["* 1 FETCH (BODY[] NIL UID 3)"]).fetched().and_then(|found| found.uid), Some(3));
    }

    #[test]
    fn states_are_read_in_any_case() {
        assert_eq!(response(&["* 23 exists"]).exists(), Some(23));
        assert_eq!(response(&["* ok [uidvalidity 3857529045] fine"]).uid_validity(), Some(3_857_529_045));
        assert_eq!(response(&["A1 no [X] why"]).ending("A1"), Some((Status::No, "[X] why".to_owned())));
        assert_eq!(response(&["A10 OK"]).ending("A1"), None);
        assert_eq!(response(&["* SEARCH"]).untagged("search").as_deref(), Some(""));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(pieces in proptest::collection::vec("[*A-F 0-9()\\[\\]\"\\\\{}~.]{0,40}", 0..4)) {
            let answer = response(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
            let _ = (answer.fetched(), answer.exists(), answer.uid_validity(), answer.ending("A1"));
            let _ = response(&[&format!("* 1 FETCH ({}", pieces.concat())]).fetched();
        }
    }
}
