//! Reads JSON, no deeper than is good.

use std::collections::BTreeMap;

use crate::json::Json;

const MOST_DEPTH: usize = 64; // of lists and objects in each other

/// Goes through a text.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize, // in bytes
}

impl<'a> Reader<'a> {
    /// The next byte that is no space; 0 at the end.
    pub(crate) fn next(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes on if this byte is next.
    pub(crate) fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.takes(byte) {
            return Ok(());
        }
        Err(self.wrong(&format!("{:?}", char::from(byte))))
    }

    pub(crate) fn end(&mut self) -> Result<(), String> {
        if self.next() == 0 && self.at == self.text.len() {
            return Ok(());
        }
        Err(self.wrong("the end"))
    }

    /// What is wrong at this place.
    pub(crate) fn wrong(&self, expected: &str) -> String {
        let found: String = self.text[self.at..].chars().take(10).collect();
        format!("at byte {}: expected {expected}, found {found:?}", self.at)
    }

    /// A value, inside of so many others.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Json, String> {
        match self.next() {
            b'{' => {
                let mut members = BTreeMap::new();
                self.object(depth, |reader, name| {
                    members.insert(name, reader.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Json::Object(members))
            }
            b'[' => {
                let mut values = Vec::new();
                self.list(depth, |reader| {
                    values.push(reader.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Json::List(values))
            }
            b'"' => Ok(Json::Text(self.string()?)),
            b't' | b'f' | b'n' => self.word(),
            _ => self.number()?.parse().map(Json::Number).map_err(|_| self.wrong("a number")),
        }
    }

    /// Goes over a value, and gives its text.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<&'a str, String> {
        self.next();
        let begin = self.at;
        match self.next() {
            b'{' => self.object(depth, |reader, _| reader.skip(depth + 1).map(drop))?,
            b'[' => self.list(depth, |reader| reader.skip(depth + 1).map(drop))?,
            b'"' => drop(self.string()?),
            b't' | b'f' | b'n' => drop(self.word()?),
            _ => drop(self.number()?),
        }
        Ok(&self.text[begin..self.at])
    }

    /// Members one after another; what is given reads the value of each.
    pub(crate) fn object(&mut self, depth: usize, mut member: impl FnMut(&mut Self, String) -> Result<(), String>) -> Result<(), String> {
        self.bounded(depth)?;
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.next();
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.takes(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Values one after another; what is given reads each.
    pub(crate) fn list(&mut self, depth: usize, mut value: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.bounded(depth)?;
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            value(self)?;
            if self.takes(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn bounded(&self, depth: usize) -> Result<(), String> {
        if depth < MOST_DEPTH {
            return Ok(());
        }
        Err(self.wrong(&format!("nothing nested more than {MOST_DEPTH} deep")))
    }

    fn word(&mut self) -> Result<Json, String> {
        for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("a value"))
    }

    /// The text of a number, as JSON has them: no sign before but a minus, digits on both sides of a point.
    pub(crate) fn number(&mut self) -> Result<&'a str, String> {
        self.next();
        let begin = self.at;
        self.one_of(b"-");
        let whole = self.digits();
        let is_whole = whole == 1 || (whole > 1 && self.text.as_bytes()[self.at - whole] != b'0');
        let is_fraction = !self.one_of(b".") || self.digits() > 0;
        let is_power = !self.one_of(b"eE") || {
            self.one_of(b"+-");
            self.digits() > 0
        };
        if is_whole && is_fraction && is_power {
            return Ok(&self.text[begin..self.at]);
        }
        self.at = begin;
        Err(self.wrong("a value"))
    }

    fn one_of(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.text.as_bytes().get(self.at).is_some_and(|byte| bytes.contains(byte));
        self.at += usize::from(is_next);
        is_next
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - begin
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain =
                rest.find(|letter| matches!(letter, '"' | '\\' | '\0'..='\x1f')).ok_or_else(|| self.wrong("the end of a string"))?;
            out.push_str(&rest[..plain]);
            self.at += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Ok(out),
                b'\\' => out.push(self.escape()?),
                _ => return Err(format!("at byte {}: a control character in a string", self.at - 1)),
            }
        }
    }

    /// What stands for a letter behind a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let letter = self.text.as_bytes().get(self.at).copied().unwrap_or(0);
        let stands_for = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong("an escape of JSON")),
        };
        self.at += 1;
        Ok(stands_for)
    }

    /// `u` and four digits, or two of them, for a letter beyond the first 65,536; half a letter becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at += 1;
        let second = self.four_digits()?;
        let both = 0x10000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00);
        Ok((0xdc00..0xe000).contains(&second).then(|| char::from_u32(both)).flatten().unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at + 1..self.at + 5).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 5;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_back_as_it_was_written() {
        let text = r#"{"":[-0.5,1e-7,true,null,{}],"a\"\\\u0007é😀":"x"}"#;
        let value = text.parse::<Json>().expect("JSON");
        let mut written = String::new();
        value.push(&mut written);
        assert_eq!(written, text);
        assert_eq!(r#""\ud83d\ude00\n\ud83dx""#.parse(), Ok(Json::Text("😀\n\u{fffd}x".into())));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let wrong = [
            "",
            "{",
            "[1,]",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "NaN",
            "Infinity",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[1] 2",
            "{1:2}",
            "\u{0}",
        ];
        for text in wrong {
            assert!(text.parse::<Json>().is_err(), "{text:?} was read");
        }
        assert!("[".repeat(100_000).parse::<Json>().is_err());
        assert!(("[".repeat(64) + &"]".repeat(64)).parse::<Json>().is_ok());
    }
}
