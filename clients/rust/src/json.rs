//! JSON: parameters are written in it, problems and headers are read from it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use crate::element::Element;
use crate::json_reader::Reader;

const MOST_WHOLE: f64 = 9_007_199_254_740_992.0; // 2^53: up to here every whole number is one

/// A value of JSON, such as a parameter of a loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number; a whole one is written without a point.
    Number(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Members by name.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Adds the value as text.
    pub(crate) fn push(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => value.push_text(out),
            Json::Number(value) if value.fract() == 0.0 && value.abs() < MOST_WHOLE => (*value as i64).push_text(out),
            Json::Number(value) => value.push_text(out),
            Json::Text(value) => push_quoted(value, out),
            Json::List(values) => push_all(values, ['[', ']'], out, Json::push),
            Json::Object(members) => push_object(members, out),
        }
    }

    /// A member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(name),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Json]> {
        match self {
            Json::List(values) => Some(values),
            _ => None,
        }
    }

    /// A number that counts something.
    pub(crate) fn count(&self) -> Option<usize> {
        match self {
            Json::Number(value) if value.fract() == 0.0 && (0.0..MOST_WHOLE).contains(value) => Some(*value as usize),
            _ => None,
        }
    }
}

impl FromStr for Json {
    type Err = String;

    /// Reads a text that is one value and nothing else; the error says what was found where.
    fn from_str(text: &str) -> Result<Json, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.end()?;
        Ok(value)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Json {
        Json::Number(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Json {
        Json::Number(value.into())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Json {
        Json::Text(value.into())
    }
}

/// Adds an object.
pub(crate) fn push_object(members: &BTreeMap<String, Json>, out: &mut String) {
    push_all(members, ['{', '}'], out, |(name, value), out| {
        push_quoted(name, out);
        out.push(':');
        value.push(out);
    });
}

/// Adds whatever there is between brackets, with commas between.
pub(crate) fn push_all<I: IntoIterator>(all: I, [open, close]: [char; 2], out: &mut String, mut push: impl FnMut(I::Item, &mut String)) {
    out.push(open);
    for (n, each) in all.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        push(each, out);
    }
    out.push(close);
}

/// Adds a string.
pub(crate) fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter < ' ' => write!(out, "\\u{:04x}", u32::from(letter)).expect("a String takes any text"),
            letter => out.push(letter),
        }
    }
    out.push('"');
}
