//! The client, and how a call is sent.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::answer::Answer;
use crate::connection::{connect, Connection};
use crate::element::Float;
use crate::error::{BadReply, Error, TimedOut, Unreachable};
use crate::http::{self, Failure, Head};
use crate::job::Job;
use crate::pool::Pool;
use crate::reply::{GradReply, LossReply};
use crate::retry;
use crate::{binary, json_form};

const LONGEST: Duration = Duration::from_millis(999_999_999); // that the service takes

/// How requests and replies are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// safetensors: numbers as they lie in memory.
    #[default]
    Binary,
    /// For looking at.
    Json,
}

/// What a client can be told beside the address.
#[derive(Clone)]
pub struct Options {
    /// An API key, sent as `Authorization: Bearer`.
    pub key: Option<String>,
    /// How long a whole call may take, retries and the waits between them included; 30 s.
    pub timeout: Duration,
    /// How often a call is tried again after 429, 503 and a connection that ended; 3 times.
    pub retries: u32,
    /// How requests and replies are written.
    pub form: Form,
}

/// Asks one service. It keeps its connections, and threads may share it.
pub struct Client {
    address: Address,
    options: Options,
    pool: Pool,
}

impl Default for Options {
    fn default() -> Options {
        Options { key: None, timeout: Duration::from_secs(30), retries: 3, form: Form::Binary }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_ref().map(|_| "…"); // not for a log
        let Options { timeout, retries, form, .. } = self;
        out.debug_struct("Options").field("key", &key).field("timeout", timeout).field("retries", retries).field("form", form).finish()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("url", &self.address.url("")).field("options", &self.options).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the service at an address such as `http://127.0.0.1:8000`; a path in it is kept. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Client, Error> {
        Client::with_options(url, Options::default())
    }

    /// The same with `Options { retries: 0, ..Options::default() }`.
    pub fn with_options(url: &str, options: Options) -> Result<Client, Error> {
        let address = Address::read(url).map_err(Error::Misused)?;
        if options.timeout.is_zero() {
            return Err(Error::Misused("found a timeout of 0; expected more than nothing".into()));
        }
        if options.key.iter().any(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::Misused("the key is empty or has a letter that no key has; is a line break at its end?".into()));
        }
        Ok(Client { address, options, pool: Pool::default() })
    }

    /// Sends a job to `POST /loss`.
    pub fn loss<T: Float>(&self, job: &Job<T>) -> Result<LossReply<T>, Error> {
        let (form, answer) = self.ask(job, "/loss")?;
        LossReply::read(&answer, job, form)
    }

    /// Sends a job to `POST /grad`.
    pub fn grad<T: Float>(&self, job: &Job<T>) -> Result<GradReply<T>, Error> {
        let (form, answer) = self.ask(job, "/grad")?;
        GradReply::read(&answer, job, form)
    }

    /// The answer, and the form in which it was asked for: JSON too where the other cannot hold the job, so that the service can say what
    /// is wrong with it.
    fn ask<T: Float>(&self, job: &Job<T>, path: &str) -> Result<(Form, Answer), Error> {
        let body = if self.options.form == Form::Binary { binary::body(job) } else { None };
        let form = if body.is_some() { Form::Binary } else { Form::Json };
        let body = body.unwrap_or_else(|| json_form::body(job));
        self.send(path, form, &body).map(|answer| (form, answer))
    }

    /// Sends a call until it is answered, refused for good, or out of time.
    fn send(&self, path: &str, form: Form, body: &[u8]) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.options.timeout.min(LONGEST);
        let mut attempt = 0;
        loop {
            let outcome = self.attempt(path, form, body, deadline);
            let left = deadline.saturating_duration_since(Instant::now());
            match retry::pause(&outcome, attempt) {
                Some(wait) if attempt < self.options.retries && (wait.is_zero() || wait < left) => thread::sleep(wait),
                _ => return outcome,
            }
            attempt += 1;
        }
    }

    /// Sends a call once.
    fn attempt(&self, path: &str, form: Form, body: &[u8], deadline: Instant) -> Result<Answer, Error> {
        let url = self.address.url(path);
        let mut connection = self.connection(&url, deadline)?;
        let sent = http::send(&mut connection, &self.head(path, form, body.len(), deadline), body);
        let failed = |failure, head: Option<&Head>| self.error(failure, &url, head);
        let is_sent = sent.is_ok(); // else there may be a refusal all the same
        let head = http::read_head(&mut connection).map_err(|failure| match (failure, sent) {
            (Failure::Silent(_), Err(error)) => failed(Failure::Silent(error), None),
            (failure, _) => failed(failure, None),
        })?;
        let (body, keeps) = http::read_body(&mut connection, &head).map_err(|failure| failed(failure, Some(&head)))?;
        if keeps && is_sent {
            self.pool.keep(connection);
        }
        Ok(Answer { url, head, body })
    }

    /// An idle connection, or a new one.
    fn connection(&self, url: &str, deadline: Instant) -> Result<Connection, Error> {
        if let Some(mut idle) = self.pool.take() {
            idle.get_mut().deadline = deadline;
            return Ok(idle);
        }
        connect(&self.address, deadline).map_err(|reason| match reason.kind() {
            io::ErrorKind::TimedOut if Instant::now() >= deadline => self.timed_out(format!("a connection for POST {url}")),
            _ => Error::Unreachable(Unreachable { url: url.into(), reason, is_hung_up: false }),
        })
    }

    /// The head of a request.
    fn head(&self, path: &str, form: Form, length: usize, deadline: Instant) -> String {
        let Address { authority, path: base, .. } = &self.address;
        let media_type = form.media_type();
        let left_ms = deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        let key = self.options.key.as_ref().map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"));
        format!(
            "POST {base}{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: gradwire-rust\r\nContent-Type: {media_type}\r\nAccept: {media_type}\r\n\
             Accept-Encoding: identity\r\nContent-Length: {length}\r\nX-Request-Timeout-Ms: {left_ms}\r\n{key}\r\n"
        )
    }

    /// What went wrong on a connection, in the words of this crate.
    fn error(&self, failure: Failure, url: &str, head: Option<&Head>) -> Error {
        match failure {
            Failure::Silent(reason) => {
                self.pool.clear();
                Error::Unreachable(Unreachable { url: url.into(), reason, is_hung_up: true })
            }
            Failure::TimedOut { is_begun: false } => self.timed_out(format!("a reply to POST {url}")),
            Failure::TimedOut { is_begun: true } => self.timed_out(format!("the rest of the reply to POST {url}")),
            Failure::Bad(found) => Error::BadReply(BadReply {
                url: url.into(),
                status: head.map(|head| head.status),
                expected: "a whole reply of HTTP".into(),
                found,
                request_id: head.and_then(|head| head.get("x-request-id")).map(str::to_string),
            }),
        }
    }

    fn timed_out(&self, waiting_for: String) -> Error {
        Error::TimedOut(TimedOut { after: self.options.timeout, waiting_for })
    }
}
