//! Globs as the library github.com/gobwas/glob v0.2.3 reads them, without separators: `*` and `**` any text, `?` one
//! character, `[abc]`, `[a-z]`, `[!…]`, `{a,b}` and `\` before a special character.
//!
//! One oddity of its optimiser is kept, since it decides backups: `ab*ba` is asked as "begins with `ab` and ends
//! with `ba`", so it matches `aba` (`match/prefix_suffix.go:Match`).

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Any,
    One,
    /// `true` for characters that must not be there.
    List(Vec<char>, bool),
    Range(char, char, bool),
    Either(Vec<Vec<Part>>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no pattern: {why}")]
pub struct BadGlob {
    pub pattern: String,
    pub why: &'static str,
}

impl Glob {
    pub fn new(pattern: &str) -> Result<Self, BadGlob> {
        let mut reader = Reader { chars: pattern.chars().collect(), at: 0 };
        match reader.parts(false) {
            Ok(parts) => Ok(Self(parts)),
            Err(why) => Err(BadGlob { pattern: pattern.to_owned(), why }),
        }
    }

    pub fn matches(&self, text: &str) -> bool {
        if let [Part::Text(prefix), Part::Any, Part::Text(suffix)] = self.0.as_slice() {
            return text.starts_with(prefix) && text.ends_with(suffix);
        }
        // Nearly all of them are names.
        if let [Part::Text(name)] = self.0.as_slice() {
            return text == name;
        }
        let text: Vec<char> = text.chars().collect();
        matches(&self.0, &text)
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn parts(&mut self, in_braces: bool) -> Result<Vec<Part>, &'static str> {
        let mut parts = Vec::new();
        while let Some(char) = self.peek() {
            match char {
                '}' | ',' if in_braces => break,
                '*' => {
                    self.at += 1;
                    if parts.last() != Some(&Part::Any) {
                        parts.push(Part::Any);
                    }
                }
                '?' => {
                    self.at += 1;
                    parts.push(Part::One);
                }
                '[' => {
                    self.at += 1;
                    parts.push(self.range()?);
                }
                '{' => {
                    self.at += 1;
                    parts.push(self.either()?);
                }
                _ => parts.push(Part::Text(self.text(in_braces))),
            }
        }
        Ok(parts)
    }

    fn text(&mut self, in_braces: bool) -> String {
        let mut text = String::new();
        while let Some(char) = self.peek() {
            match char {
                '\\' => {
                    self.at += 1;
                    text.extend(self.next());
                }
                '*' | '?' | '[' | '{' => break,
                '}' | ',' if in_braces => break,
                other => {
                    self.at += 1;
                    text.push(other);
                }
            }
        }
        text
    }

    fn range(&mut self) -> Result<Part, &'static str> {
        let not = self.peek() == Some('!');
        self.at += usize::from(not);
        let first = self.next().ok_or("a bracket is not closed")?;
        if self.peek() == Some('-') {
            self.at += 1;
            let last = self.next().ok_or("a bracket is not closed")?;
            if self.next() != Some(']') {
                return Err("a range such as [a-z] stands alone in its brackets");
            }
            return if last < first { Err("a range runs backwards") } else { Ok(Part::Range(first, last, not)) };
        }
        self.at -= 1;
        let mut list = Vec::new();
        loop {
            match self.next().ok_or("a bracket is not closed")? {
                ']' => break,
                '\\' => list.extend(self.next()),
                other => list.push(other),
            }
        }
        if list.is_empty() { Err("brackets are empty") } else { Ok(Part::List(list, not)) }
    }

    fn either(&mut self) -> Result<Part, &'static str> {
        let mut ways = Vec::new();
        loop {
            ways.push(self.parts(true)?);
            match self.next() {
                Some(',') => {}
                // A brace that is not closed ends with the pattern.
                Some(_) | None => return Ok(Part::Either(ways)),
            }
        }
    }
}

fn matches(parts: &[Part], text: &[char]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return text.is_empty();
    };
    let one = |fits: bool| text.split_first().is_some_and(|(_, after)| fits && matches(rest, after));
    match part {
        Part::Text(wanted) => {
            let wanted: Vec<char> = wanted.chars().collect();
            text.strip_prefix(wanted.as_slice()).is_some_and(|after| matches(rest, after))
        }
        Part::Any => (0..=text.len()).any(|from| text.get(from..).is_some_and(|after| matches(rest, after))),
        Part::One => one(true),
        Part::List(list, not) => one(text.first().is_some_and(|char| list.contains(char) != *not)),
        Part::Range(first, last, not) => one(text.first().is_some_and(|char| (first..=last).contains(&char) != *not)),
        Part::Either(ways) => ways.iter().any(|way| {
            let whole: Vec<Part> = way.iter().chain(rest).cloned().collect();
            matches(&whole, text)
        }),
    }
}
