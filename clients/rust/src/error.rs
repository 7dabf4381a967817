//! What can go wrong.

use std::error;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why there is no loss and no gradient. After any of them the client is usable as before.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The service answered with a problem.
    Refused(Refused),
    /// There is no connection, or it broke.
    Unreachable(Unreachable),
    /// The timeout passed.
    TimedOut(TimedOut),
    /// What answered is not gradwire, or its reply is cut, malformed, or of another shape than was asked for.
    BadReply(BadReply),
    /// An address or option of the client that cannot be; says why. Nothing was sent.
    Misused(String),
}

/// A problem with which the service answered. Its text is the detail, then those of its errors that the detail does not mention, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Of HTTP: 4xx or 5xx.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What was found, and what would do.
    pub detail: String,
    /// The fields that are wrong, if it is about fields.
    pub errors: Vec<FieldError>,
    /// How long the service asks to wait, if it does.
    pub retry_after: Option<Duration>,
    /// Under which the service's log has it.
    pub request_id: Option<String>,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// RFC 6901, into the request as JSON has it: `/labels/3/0`.
    pub pointer: String,
    /// What was found there.
    pub detail: String,
}

/// There is no connection to the service, or it ended before a reply came.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreachable {
    /// What was asked.
    pub url: String,
    /// The system's reason.
    pub reason: io::Error,
    pub(crate) is_hung_up: bool, // there was a connection
}

/// The timeout passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// The timeout of the client.
    pub after: Duration,
    /// What was waited for: a connection, a reply, the rest of a reply.
    pub waiting_for: String,
}

/// What answered is not gradwire, or its reply cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadReply {
    /// What was asked.
    pub url: String,
    /// Of HTTP, if one came.
    pub status: Option<u16>,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub found: String,
    /// If one came.
    pub request_id: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refused) => refused.fmt(out),
            Error::Unreachable(unreachable) => unreachable.fmt(out),
            Error::TimedOut(timed_out) => timed_out.fmt(out),
            Error::BadReply(bad) => bad.fmt(out),
            Error::Misused(why) => out.write_str(why),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.detail)?;
        if self.detail.is_empty() {
            write!(out, "{} {}", self.status, self.title)?;
        }
        let lines = self.errors.iter().map(|each| format!("{}: {}", each.pointer, each.detail));
        lines.filter(|line| !self.detail.contains(line)).try_for_each(|line| write!(out, "\n{line}"))
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "no reply from {}: {}; is the service running there?", self.url, self.reason)
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} passed waiting for {}; a longer timeout may do", self.after, self.waiting_for)
    }
}

impl fmt::Display for BadReply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: expected {}, found {}", self.url, self.expected, self.found)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Unreachable(unreachable) => Some(&unreachable.reason),
            _ => None,
        }
    }
}

impl error::Error for Refused {}
impl error::Error for TimedOut {}
impl error::Error for BadReply {}

impl error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_detail_mentions_is_not_said_twice() {
        let errors =
            [("/a", "is wrong"), ("/b/0", "too")].map(|(pointer, detail)| FieldError { pointer: pointer.into(), detail: detail.into() });
        let refused = Refused {
            status: 422,
            title: "Unprocessable Entity".into(),
            detail: "/a: is wrong".into(),
            errors: errors.into(),
            retry_after: None,
            request_id: None,
        };
        assert_eq!(Error::Refused(refused).to_string(), "/a: is wrong\n/b/0: too");
    }
}
