//! What came back, before it is believed.

use std::time::Duration;

use crate::client::Form;
use crate::error::{BadReply, Error, FieldError, Refused};
use crate::http::Head;
use crate::json::Json;

const PROBLEM: &str = "application/problem+json";

impl Form {
    /// Its name on the wire.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Form::Binary => "application/vnd.safetensors",
            Form::Json => "application/json",
        }
    }
}

/// A whole reply of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: String, // for people
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body of a reply in this form; else the problem that it is, or what it is instead.
    pub(crate) fn body(&self, form: Form) -> Result<&[u8], Error> {
        if self.head.status != 200 {
            return Err(self.refusal());
        }
        if self.media_type() != form.media_type() {
            return Err(self.bad(form.media_type(), &self.described()));
        }
        match self.head.get("content-encoding") {
            None | Some("identity") => Ok(&self.body),
            Some(coding) => Err(self.bad("a reply that is not compressed", &format!("one in {coding:?}"))),
        }
    }

    /// How many seconds the service asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let digits = self.head.get("retry-after").filter(|value| value.bytes().all(|digit| digit.is_ascii_digit()))?;
        digits.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into()))
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        self.head.get("x-request-id").map(str::to_string)
    }

    pub(crate) fn bad(&self, expected: &str, found: &str) -> Error {
        Error::BadReply(BadReply {
            url: self.url.clone(),
            status: Some(self.head.status),
            expected: expected.into(),
            found: found.into(),
            request_id: self.request_id(),
        })
    }

    fn refusal(&self) -> Error {
        let problem = std::str::from_utf8(&self.body).ok().and_then(|text| text.parse::<Json>().ok());
        let problem =
            problem.filter(|problem| self.head.status >= 400 && self.media_type() == PROBLEM && matches!(problem, Json::Object(_)));
        let Some(problem) = problem else {
            return self.bad("a reply of gradwire", &self.described());
        };
        Error::Refused(Refused {
            status: self.head.status,
            title: text(&problem, "title"),
            detail: text(&problem, "detail"),
            errors: problem.get("errors").and_then(Json::list).unwrap_or_default().iter().map(field_error).collect(),
            retry_after: self.retry_after(),
            request_id: self.request_id(),
        })
    }

    /// The answer in short: its status, type and beginning.
    fn described(&self) -> String {
        const MOST_BYTES: usize = 80;
        if let Some(location) = self.head.get("location") {
            return format!("status {}, a redirect to {location:?}", self.head.status);
        }
        let beginning = String::from_utf8_lossy(&self.body[..self.body.len().min(MOST_BYTES)]);
        format!("status {} with {:?}: {beginning:?}", self.head.status, self.media_type())
    }

    fn media_type(&self) -> String {
        let value = self.head.get("content-type").unwrap_or("");
        value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }
}

/// A member of a problem; nothing where it is none.
fn text(problem: &Json, name: &str) -> String {
    problem.get(name).and_then(Json::text).unwrap_or("").into()
}

fn field_error(each: &Json) -> FieldError {
    FieldError { pointer: text(each, "pointer"), detail: text(each, "detail") }
}
