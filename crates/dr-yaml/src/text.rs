//! The text of a file: its encoding, its lines, and places in it.

use std::ops::Range;

use crate::problem::{Problem, What};

/// A half-open range of bytes of the decoded text.
pub type Span = Range<usize>;

/// How the bytes of a file were encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// A file's text as UTF-8, a byte order mark included: kubectl's own splitting sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub encoding: Encoding,
}

impl Text {
    /// Decodes UTF-8, or UTF-16 that begins with a byte order mark.
    pub fn decode(bytes: impl Into<Vec<u8>>) -> Result<Self, Problem> {
        let bytes = bytes.into();
        match bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, Encoding::Utf16Le),
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, Encoding::Utf16Be),
            _ => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { text, encoding: Encoding::Utf8 }),
                Err(error) => {
                    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                    let line = before.split(|byte| *byte == b'\n').count();
                    Err(Problem::new(
                        What::NotText,
                        0..0,
                        format!("byte {} on line {line} is not UTF-8", before.len() + 1),
                    ))
                }
            },
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), encoding: Encoding::Utf8 }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, encoding: Encoding) -> Result<Text, Problem> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Problem::new(What::NotText, 0..0, "the file begins as UTF-16 and has an odd number of bytes"));
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) => Ok(Text { text, encoding }),
        Err(_) => Err(Problem::new(What::NotText, 0..0, "the file begins as UTF-16 and holds half a character")),
    }
}

/// A place as editors count it: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub struct Lines {
    starts: Vec<usize>,
    len: usize,
    /// How many characters begin before each block of the text: a file may be one line, and have thousands of findings.
    before: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 4096;

impl Lines {
    pub fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let mut count = 0;
        let before = text.as_bytes().chunks(BLOCK).map(|block| {
            let here = count;
            count += begun(block);
            here
        });
        Self { before: before.collect(), starts: std::iter::once(0).chain(ends).collect(), len: text.len() }
    }

    /// The number of lines; one that ends with a line break is followed by an empty one.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The line of a byte offset, from 0.
    pub fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of a line, from 0, its line break included.
    pub fn span(&self, line: usize) -> Span {
        let start = self.starts.get(line).copied().unwrap_or(self.len);
        let end = self.starts.get(line + 1).copied().unwrap_or(self.len);
        start..end
    }

    /// The place of a byte offset of the text these lines are of.
    pub fn place(&self, text: &str, offset: usize) -> Place {
        let line = self.index(offset);
        let start = self.span(line).start;
        let column = self.chars(text, offset.min(text.len())).saturating_sub(self.chars(text, start));
        Place { line: line + 1, column: column + 1 }
    }

    /// How many characters begin before an offset.
    fn chars(&self, text: &str, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = text.as_bytes().get(block * BLOCK..offset).map_or(0, begun);
        self.before.get(block).copied().unwrap_or_else(|| begun(text.as_bytes())) + rest
    }
}

/// Characters whose first byte is among these.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_from_one() {
        let text = "a: ä\r\nb: 1\n";
        let lines = Lines::of(text);
        assert_eq!(lines.place(text, 0), Place { line: 1, column: 1 });
        assert_eq!(lines.place(text, text.find("\r\n").unwrap()), Place { line: 1, column: 5 });
        assert_eq!(lines.place(text, text.find('1').unwrap()), Place { line: 2, column: 4 });
        assert_eq!(lines.place(text, text.len()), Place { line: 3, column: 1 });
        assert_eq!(lines.place(text, 999), Place { line: 3, column: 1 });
    }

    #[test]
    fn a_place_in_a_line_of_many_blocks_counts_like_any_other() {
        let text = format!("a\n{}", "äb€".repeat(3 * BLOCK));
        let lines = Lines::of(&text);
        for (at, _) in text.char_indices().step_by(997) {
            let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
            assert_eq!(lines.place(&text, at).column, text[start..at].chars().count() + 1, "{at}");
        }
        let end = lines.place(&text, text.len());
        assert_eq!((end.line, end.column), (2, 9 * BLOCK + 1));
    }

    #[test]
    fn utf16_is_read_by_its_mark_and_bad_bytes_have_a_place() {
        let le: Vec<u8> = "\u{feff}a: ü\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "\u{feff}a: ü\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(Text::decode(le).unwrap(), Text { text: "a: ü\n".into(), encoding: Encoding::Utf16Le });
        assert_eq!(Text::decode(be).unwrap(), Text { text: "a: ü\n".into(), encoding: Encoding::Utf16Be });
        assert_eq!(Text::decode(*b"\xff\xfea").unwrap_err().what, What::NotText);
        assert_eq!(Text::decode(*b"\xff\xfe\x00\xd8").unwrap_err().what, What::NotText);
        assert_eq!(Text::decode(*b"a: 1\nb: \xff").unwrap_err().message, "byte 9 on line 2 is not UTF-8");
    }
}
