//! A shell's text in simple commands and their words, each character with its place.
//!
//! What only a shell could tell (variables, substitutions, templates of CI) is [`UNKNOWN`] in a word. This reads what is
//! written in runbooks as well as what runs: `<name>` is a value that nobody knows, a quote that is never closed is a
//! character.

use dr_yaml::Span;

/// Stands in a word for what is not known before the command runs.
pub(super) const UNKNOWN: char = '\u{fffc}';

/// Substitutions within substitutions that are looked into.
const DEEPEST: usize = 8;

/// A character and the byte it stands at.
pub(super) type Char = (usize, char);

/// One word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// The place of each byte of the text.
    places: Vec<usize>,
    pub(super) span: Span,
    /// It may become several words, or none.
    pub(super) several: bool,
    /// It is nothing but expansions outside quotes: most likely one word, and sure of none.
    pub(super) bare: bool,
}

impl Word {
    /// The place of a part of the text.
    pub(super) fn part(&self, from: usize, to: usize) -> Span {
        if from == 0 && to == self.text.len() {
            return self.span.clone();
        }
        let start = self.places.get(from).copied().unwrap_or(self.span.end);
        let end = to.checked_sub(1).and_then(|last| self.places.get(last)).map_or(start, |last| last + 1);
        start..end.max(start)
    }

    /// With every place of a text unknown, as `{}` is behind `xargs`.
    pub(super) fn filled(&self, holes: &[String]) -> Self {
        let mut word = Self { span: self.span.clone(), several: self.several, bare: self.bare, ..Self::default() };
        let mut at = 0;
        while let Some(c) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            let hole =
                holes.iter().find(|hole| self.text.get(at..).is_some_and(|rest| rest.starts_with(hole.as_str())));
            let end = at + hole.map_or(c.len_utf8(), String::len);
            if hole.is_some() {
                word.unknown(self.part(at, end));
            } else {
                word.text.push(c);
                word.places.extend(self.places.get(at..end).unwrap_or_default());
            }
            at = end;
        }
        word
    }

    /// Words that others put behind a command, at its end.
    pub(super) fn appended(at: usize) -> Self {
        let mut word = Self { span: at..at, several: true, ..Self::default() };
        word.unknown(at..at);
        word
    }

    fn push(&mut self, (at, c): Char) {
        self.text.push(c);
        self.places.extend(at..at + c.len_utf8());
    }

    fn unknown(&mut self, span: Span) {
        self.text.push(UNKNOWN);
        self.places.extend([span.start, span.start, span.end.saturating_sub(1)]);
    }
}

/// What a text is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Command(Vec<Word>),
    /// Behind the `#`.
    Comment(Span, String),
}

/// The commands of a text in the order in which they begin to be complete, comments between them.
pub(super) fn items(chars: &[Char]) -> Vec<Item> {
    let mut found = Vec::new();
    Lexer { chars, at: 0, depth: 0, here: Vec::new(), unclosed: [false; 2] }.all(&mut found);
    found
}

struct Lexer<'c> {
    chars: &'c [Char],
    at: usize,
    depth: usize,
    /// Ends of documents that begin with the next line.
    here: Vec<String>,
    /// That no further single, double quote closes anything: looked for once.
    unclosed: [bool; 2],
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).map(|(_, c)| *c)
    }

    /// The byte of a character, or behind the last one.
    fn place(&self, at: usize) -> usize {
        match self.chars.get(at) {
            Some((place, _)) => *place,
            None => self.chars.last().map_or(0, |(place, c)| place + c.len_utf8()),
        }
    }

    fn find(&self, from: usize, wanted: char) -> Option<usize> {
        self.chars.get(from..)?.iter().position(|(_, c)| *c == wanted).map(|at| from + at)
    }

    fn all(mut self, out: &mut Vec<Item>) {
        let mut words: Vec<Word> = Vec::new();
        while let Some(c) = self.peek(0) {
            match c {
                '\n' => {
                    self.at += 1;
                    flush(&mut words, out);
                    self.documents(out);
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.at += 1;
                    flush(&mut words, out);
                }
                '\\' if self.continued().is_some() => self.at = self.continued().unwrap_or(self.at + 1),
                c if c.is_whitespace() => self.at += 1,
                '#' => {
                    let end = self.find(self.at, '\n').unwrap_or(self.chars.len());
                    let text = self.chars.get(self.at + 1..end).unwrap_or_default().iter().map(|(_, c)| *c).collect();
                    let comment = Item::Comment(self.place(self.at)..self.place(end), text);
                    // Behind a command on its line, so that it is about that one.
                    flush(&mut words, out);
                    out.push(comment);
                    self.at = end;
                }
                '>' => self.redirect(out),
                '<' if self.placeholder().is_none() => self.redirect(out),
                _ => {
                    let word = self.word(out);
                    let stream = matches!(self.peek(0), Some('<' | '>'))
                        && !word.text.is_empty()
                        && word.text.chars().all(|c| c.is_ascii_digit());
                    if !stream {
                        words.push(word);
                    }
                }
            }
        }
        flush(&mut words, out);
    }

    /// Behind a backslash and the line break it takes away.
    fn continued(&self) -> Option<usize> {
        match (self.peek(1), self.peek(2)) {
            (Some('\n'), _) => Some(self.at + 2),
            (Some('\r'), Some('\n')) => Some(self.at + 3),
            _ => None,
        }
    }

    /// Behind `<name>`, where that stands here.
    fn placeholder(&self) -> Option<usize> {
        let first = self.peek(1)?;
        if !first.is_alphabetic() {
            return None;
        }
        let rest = self.chars.get(self.at + 1..)?.iter().take(80);
        let mut length = 1;
        let mut last = '<';
        for (_, c) in rest {
            length += 1;
            match c {
                '>' if last != ' ' => return Some(self.at + length),
                c if c.is_alphanumeric() || "-_. /".contains(*c) => {}
                _ => return None,
            }
            last = *c;
        }
        None
    }

    fn redirect(&mut self, out: &mut Vec<Item>) {
        let document = self.peek(0) == Some('<') && self.peek(1) == Some('<') && self.peek(2) != Some('<');
        while matches!(self.peek(0), Some('<' | '>' | '&' | '|' | '-')) {
            self.at += 1;
        }
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.at += 1;
        }
        if matches!(self.peek(0), None | Some('\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' | '#')) {
            return;
        }
        let word = self.word(out);
        if document {
            self.here.push(word.text);
        }
    }

    /// The documents that were asked for on the line before, each for itself: no quote reaches out of one.
    fn documents(&mut self, out: &mut Vec<Item>) {
        for end in std::mem::take(&mut self.here) {
            let start = self.at;
            let mut line = start;
            let stop = loop {
                let next = self.find(line, '\n').unwrap_or(self.chars.len());
                let text: String = self.chars.get(line..next).unwrap_or_default().iter().map(|(_, c)| *c).collect();
                self.at = (next + 1).min(self.chars.len());
                if text.trim() == end || next >= self.chars.len() {
                    break line;
                }
                line = next + 1;
            };
            self.within(start, stop, out);
        }
    }

    fn within(&self, from: usize, to: usize, out: &mut Vec<Item>) {
        if self.depth < DEEPEST
            && let Some(chars) = self.chars.get(from..to)
        {
            Lexer { chars, at: 0, depth: self.depth + 1, here: Vec::new(), unclosed: [false; 2] }.all(out);
        }
    }

    fn word(&mut self, out: &mut Vec<Item>) -> Word {
        let start = self.at;
        let mut word = Word::default();
        let mut quoted = false;
        while let Some(c) = self.peek(0) {
            // What a reader is to fill in is one word as well.
            quoted |= matches!(c, '\'' | '"' | '<');
            match c {
                c if c.is_whitespace() => break,
                ';' | '&' | '|' | '(' | ')' | '>' => break,
                '<' => match self.placeholder() {
                    Some(end) => self.unknown_to(end, &mut word),
                    None => break,
                },
                '\\' => {
                    if let Some(next) = self.continued() {
                        self.at = next;
                        continue;
                    }
                    self.at += 1;
                    self.literal(&mut word);
                }
                '\'' => self.single(&mut word),
                '"' => self.double(&mut word, out),
                _ => self.plain(&mut word, false, out),
            }
            // Whatever stands here, it is behind us now.
            debug_assert!(self.at > start, "a word takes at least one character");
        }
        word.span = self.place(start)..self.end(self.at);
        word.bare = !quoted && !word.text.is_empty() && word.text.chars().all(|c| c == UNKNOWN);
        word
    }

    /// Behind the character before this one.
    fn end(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|last| self.chars.get(last)).map_or(0, |(place, c)| place + c.len_utf8())
    }

    fn unknown_to(&mut self, end: usize, word: &mut Word) {
        let end = end.min(self.chars.len()).max(self.at + 1);
        word.unknown(self.place(self.at)..self.end(end));
        self.at = end;
    }

    fn single(&mut self, word: &mut Word) {
        let close = if self.unclosed[0] { None } else { self.find(self.at + 1, '\'') };
        let Some(close) = close else {
            self.unclosed[0] = true;
            return self.literal(word);
        };
        self.at += 1;
        while self.at < close {
            match self.template() {
                Some(end) => self.unknown_to(end.min(close), word),
                None => self.literal(word),
            }
        }
        self.at = close + 1;
    }

    fn literal(&mut self, word: &mut Word) {
        if let Some(next) = self.chars.get(self.at) {
            word.push(*next);
            self.at += 1;
        }
    }

    fn double(&mut self, word: &mut Word, out: &mut Vec<Item>) {
        if self.unclosed[1] || !self.closes() {
            self.unclosed[1] = true;
            return self.literal(word);
        }
        self.at += 1;
        while let Some(c) = self.peek(0) {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    if let Some(next) = self.continued() {
                        self.at = next;
                        continue;
                    }
                    if matches!(self.peek(1), Some('"' | '\\' | '$' | '`')) {
                        self.at += 1;
                    }
                    self.literal(word);
                }
                _ => self.plain(word, true, out),
            }
        }
    }

    /// Whether the double quote here is closed at all.
    fn closes(&self) -> bool {
        let mut at = self.at + 1;
        while let Some((_, c)) = self.chars.get(at) {
            match c {
                '"' => return true,
                '\\' => at += 2,
                _ => at += 1,
            }
        }
        false
    }

    /// `{{ … }}` and `${{ … }}` on one line: whoever runs this puts a value in its place.
    fn template(&self) -> Option<usize> {
        let skip = usize::from(self.peek(0) == Some('$'));
        if self.peek(skip) != Some('{') || self.peek(skip + 1) != Some('{') {
            return None;
        }
        // As long as such a thing gets; further away it is none.
        let rest = self.chars.get(self.at..(self.at + 300).min(self.chars.len()))?;
        let line = rest.iter().position(|(_, c)| *c == '\n').unwrap_or(rest.len());
        let end = rest.get(..line)?.windows(2).position(|pair| matches!(pair, [(_, '}'), (_, '}')]))?;
        Some(self.at + end + 2)
    }

    /// One character that is none of a quote's, or what begins with it.
    fn plain(&mut self, word: &mut Word, quoted: bool, out: &mut Vec<Item>) {
        if let Some(end) = self.template() {
            return self.unknown_to(end, word);
        }
        match (self.peek(0), self.peek(1)) {
            (Some('`'), _) => match self.find(self.at + 1, '`') {
                Some(close) => {
                    self.within(self.at + 1, close, out);
                    self.unknown_to(close + 1, word);
                }
                None => self.literal(word),
            },
            (Some('$'), Some('(' | '{')) => self.braced(self.at + 1, word, quoted, out),
            // A Makefile's: the shell's own `$`.
            (Some('$'), Some('$')) => match self.peek(2) {
                Some('(' | '{') => self.braced(self.at + 2, word, quoted, out),
                Some(_) | None => self.named(self.at + 2, word, quoted),
            },
            (Some('$'), Some(c)) if c.is_ascii_alphanumeric() || "_@*#?!-".contains(c) => {
                self.named(self.at + 1, word, quoted);
            }
            _ => self.literal(word),
        }
    }

    fn named(&mut self, from: usize, word: &mut Word, quoted: bool) {
        let name: String = self
            .chars
            .get(from..)
            .unwrap_or_default()
            .iter()
            .map(|(_, c)| *c)
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let length = name.len().max(1);
        let all = self.chars.get(from).map(|(_, c)| *c);
        word.several |= all == Some('@') || (!quoted && (all == Some('*') || takes_several(&name)));
        self.unknown_to(from + length, word);
    }

    /// `${…}` or `$(…)`, whose bracket stands at `open`.
    fn braced(&mut self, open: usize, word: &mut Word, quoted: bool, out: &mut Vec<Item>) {
        let bracket = self.chars.get(open).map(|(_, c)| *c);
        let close = if bracket == Some('(') { ')' } else { '}' };
        let mut depth = 0_usize;
        let mut at = open;
        while let Some((_, c)) = self.chars.get(at) {
            match *c {
                '\\' => at += 1,
                '\'' | '"' => at = self.find(at + 1, *c).unwrap_or(at),
                c if Some(c) == bracket => depth += 1,
                c if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let inside: String =
            self.chars.get(open + 1..at).unwrap_or_default().iter().map(|(_, c)| *c).take(200).collect();
        if bracket == Some('(') {
            self.within(open + 1, at.min(self.chars.len()), out);
        } else {
            word.several |= inside.contains("[@]") || inside == "@" || (!quoted && takes_several(&inside));
        }
        self.unknown_to(at + 1, word);
    }
}

/// By its name: what holds flags is no single word.
fn takes_several(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["ARG", "OPT", "FLAG", "PARAM", "EXTRA"].iter().any(|part| name.contains(part))
}

fn flush(words: &mut Vec<Word>, out: &mut Vec<Item>) {
    if !words.is_empty() {
        out.push(Item::Command(std::mem::take(words)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let chars: Vec<Char> = text.char_indices().collect();
        let commands = items(&chars).into_iter().filter_map(|item| match item {
            Item::Command(words) => Some(words.into_iter().map(|word| word.text.replace(UNKNOWN, "?")).collect()),
            Item::Comment(..) => None,
        });
        commands.collect()
    }

    #[track_caller]
    fn check(text: &str, want: &[&[&str]]) {
        assert_eq!(words(text), want, "{text:?}");
    }

    #[test]
    fn words_are_those_that_a_shell_makes() {
        check("a  'b c'\t\"d e\"f\\ g", &[&["a", "b c", "d ef g"]]);
        check("a \\\n  b \\\r\n c", &[&["a", "b", "c"]]);
        check("a\"\\\"x\\n\"", &[&["a\"x\\n"]]);
        check("a; b && c | d & e", &[&["a"], &["b"], &["c"], &["d"], &["e"]]);
        check("a > b 2>&1 <c >>d e", &[&["a", "e"]]);
        check("a # b\nc#d", &[&["a"], &["c#d"]]);
        check("a ''", &[&["a", ""]]);
    }

    #[test]
    fn what_only_a_run_could_tell_is_not_known() {
        check("a $b ${c:-d e} \"$f\"g '$h'", &[&["a", "?", "?", "?g", "$h"]]);
        check("a ${{ inputs.x }} '{{ y }}' $$z $(X)", &[&["X"], &["a", "?", "?", "?", "?"]]);
        check("a <name> x-<b>-y", &[&["a", "?", "x-?-y"]]);
        check("a $(date +%F) `whoami`", &[&["date", "+%F"], &["whoami"], &["a", "?", "?"]]);
    }

    #[test]
    fn a_quote_that_is_never_closed_takes_nothing_along() {
        check("it's\nvelero x", &[&["it's"], &["velero", "x"]]);
        check("a \"b\nc", &[&["a", "\"b"], &["c"]]);
        check("cat <<EOF\nit's\nvelero x\nEOF\nb 'c'", &[&["cat"], &["it's"], &["velero", "x"], &["b", "c"]]);
        check("a $(b", &[&["b"], &["a", "?"]]);
    }

    #[test]
    fn a_part_of_a_word_knows_its_place() {
        let text = "x 'a,bé',\"$V\",c";
        let chars: Vec<Char> = text.char_indices().collect();
        let Some(Item::Command(words)) = items(&chars).pop() else { panic!("a command") };
        let word = &words[1];
        let of = |part: &str| {
            let at = word.text.find(part).unwrap();
            &text[word.part(at, at + part.len())]
        };
        assert_eq!((of("a"), of("bé"), of("c"), of("\u{fffc}")), ("a", "bé", "c", "$V"));
        assert_eq!(&text[word.part(0, word.text.len())], "'a,bé',\"$V\",c");
    }
}
