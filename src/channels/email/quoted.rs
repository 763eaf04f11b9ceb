//! Quoted-printable (RFC 2045 section 6.7) in one pass: line ends become CRLF, controls vanish, lines stay within 76.
//!
//! A mail's text is encoded once for each recipient, so this is written for speed: runs of bytes that stand for
//! themselves are copied whole.

/// Columns before a soft line break; with its `=` a line has 76.
const WIDTH: usize = 75;

/// What becomes of a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It stands for itself.
    Literal,
    /// A space or a tab: stands for itself, but not at a line's end.
    Blank,
    /// CR or LF.
    Break,
    /// A control that mail must not carry; also the first byte of U+0080 to U+009F.
    Control,
    /// `=XX`.
    Escaped,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Escaped; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'\r' | b'\n' => Class::Break,
            b' ' | b'\t' => Class::Blank,
            b'=' => Class::Escaped,
            33..=126 => Class::Literal,
            _ => Class::Control,
        };
        byte += 1;
    }
    classes
};

/// The encoded bytes of `text`, in ASCII, every line ended by CRLF but perhaps the last.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Encoder { out: Vec::with_capacity(bytes.len() + bytes.len() / 16 + 64), column: 0 };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let run = plain(rest);
        out.literal(&rest[..run]);
        at += run;
        let Some(&byte) = bytes.get(at) else { break };
        let next = bytes.get(at + 1).copied();
        at += 1;
        match CLASSES[usize::from(byte)] {
            Class::Break => {
                at += usize::from(byte == b'\r' && next == Some(b'\n'));
                out.end_line();
            }
            Class::Control => {}
            // The C1 controls: two bytes in UTF-8.
            _ if byte == 0xc2 && next.is_some_and(|next| next < 0xa0) => at += 1,
            _ => out.escaped(byte),
        }
    }
    out.blank_at_end();
    out.out
}

/// How many bytes stand for themselves before the first that does not.
fn plain(bytes: &[u8]) -> usize {
    // No early end within a block, so that it is compared as a whole. A tab is left to the second look.
    let block =
        |bytes: &&[u8]| bytes.iter().fold(true, |plain, byte| plain & (byte.wrapping_sub(b' ') < 95) & (*byte != b'='));
    let blocks = bytes.chunks_exact(32).take_while(block).count() * 32;
    let is_plain = |byte: u8| matches!(CLASSES[usize::from(byte)], Class::Literal | Class::Blank);
    let rest = &bytes[blocks..];
    blocks + rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len())
}

struct Encoder {
    out: Vec<u8>,
    column: usize,
}

impl Encoder {
    fn literal(&mut self, mut run: &[u8]) {
        while !run.is_empty() {
            if self.column == WIDTH {
                self.soft_break();
            }
            let (now, later) = run.split_at(run.len().min(WIDTH - self.column));
            self.out.extend_from_slice(now);
            self.column += now.len();
            run = later;
        }
    }

    fn escaped(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        if self.column + 3 > WIDTH {
            self.soft_break();
        }
        self.out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        self.column += 3;
    }

    fn soft_break(&mut self) {
        self.out.extend_from_slice(b"=\r\n");
        self.column = 0;
    }

    fn end_line(&mut self) {
        self.blank_at_end();
        self.out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    /// Relays strip blanks at a line's end, so the last one is escaped.
    fn blank_at_end(&mut self) {
        if self.column > 0
            && let Some(&blank) = self.out.last()
            && (blank == b' ' || blank == b'\t')
        {
            self.out.pop();
            self.column -= 1;
            self.escaped(blank);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_of_the_standard() {
        let encoded = |text: &str| String::from_utf8(encode(text)).expect("ASCII");
        assert_eq!(encoded("a=b\nc\r\nd\re"), "a=3Db\r\nc\r\nd\r\ne");
        assert_eq!(encoded("blank \ntab\t\n end "), "blank=20\r\ntab=09\r\n end=20");
        assert_eq!(encoded("\0\u{7}\u{85}é—"), "=C3=A9=E2=80=94");
        assert_eq!(encoded(&"x".repeat(80)), format!("{}=\r\n{}", "x".repeat(75), "x".repeat(5)));
        assert_eq!(encoded(&format!("{} ", "x".repeat(74))), format!("{}=\r\n=20", "x".repeat(74)));
        assert_eq!(encoded(""), "");
    }

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_written(text in "([a-z=. \t]{0,90}|\\PC{0,30}|[\r\n\u{80}-\u{a1}\0]{0,4}){0,9}") {
            let encoded = encode(&text);
            prop_assert!(encoded.split(|byte| *byte == b'\n').all(|line| line.len() <= 77 && !line.ends_with(b" \r")));
            let decoded = mail_parser::decoders::quoted_printable::quoted_printable_decode(&encoded);
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            let kept: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
            prop_assert_eq!(String::from_utf8(decoded.expect("it can be decoded")).expect("UTF-8").replace("\r\n", "\n"), kept);
        }
    }
}
