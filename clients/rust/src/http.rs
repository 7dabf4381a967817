//! HTTP/1.1, as much of it as a client that posts needs.

use std::io::{self, BufRead, Read, Write};

use crate::connection::Connection;

const MOST_HEAD_BYTES: u64 = 1 << 16;
const MOST_BODY_BYTES: u64 = 1 << 30;
const FIRST_BYTES: u64 = 1 << 20; // that are taken for a body before any of it has come

/// The status line and headers of a reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    is_1_1: bool,
    headers: Vec<(String, String)>, // names in lower case
}

impl Head {
    /// A header's value, the first if there are many.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(each, _)| each == name)
            .flat_map(|(_, value)| value.split(','))
            .any(|each| each.trim().eq_ignore_ascii_case(word))
    }
}

/// How reading a reply failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No byte of it came.
    Silent(io::Error),
    /// The deadline passed; whether some of it had come.
    TimedOut { is_begun: bool },
    /// It is cut or no HTTP; says what was found.
    Bad(String),
}

impl Failure {
    /// Of a reply that had begun.
    fn amid(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::TimedOut => Failure::TimedOut { is_begun: true },
            _ => Failure::Bad(format!("one that broke off ({error})")),
        }
    }
}

/// Sends a request. Where that breaks off there may be a reply all the same: whoever refuses a body need not read it.
pub(crate) fn send(connection: &mut Connection, head: &str, body: &[u8]) -> io::Result<()> {
    const TOGETHER_BYTES: usize = 1 << 16; // up to here one packet is better than a copy saved
    let stream = connection.get_mut();
    if body.len() <= TOGETHER_BYTES {
        return stream.write_all(&[head.as_bytes(), body].concat());
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// Reads a head; interim ones (1xx) are passed over.
pub(crate) fn read_head(connection: &mut Connection) -> Result<Head, Failure> {
    match connection.fill_buf() {
        Ok([]) => return Err(Failure::Silent(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed without a reply"))),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Failure::TimedOut { is_begun: false }),
        Err(error) => return Err(Failure::Silent(error)),
    }
    loop {
        let head = one_head(connection)?;
        match head.status {
            101 => return Err(Failure::Bad("another protocol (status 101)".into())),
            100..=199 => continue,
            _ => return Ok(head),
        }
    }
}

fn one_head(connection: &mut Connection) -> Result<Head, Failure> {
    let mut left = MOST_HEAD_BYTES;
    let mut head = status_line(&line(connection, &mut left)?)?;
    loop {
        let line = line(connection, &mut left)?;
        if line.is_empty() {
            return Ok(head);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| Failure::Bad(format!("the header {line:?}")))?;
        head.headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
}

fn status_line(line: &str) -> Result<Head, Failure> {
    let no_http = || Failure::Bad(format!("no HTTP: {:?}", line.chars().take(80).collect::<String>()));
    let (version, rest) = line.split_once(' ').ok_or_else(no_http)?;
    let status = rest.get(..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let status = status.and_then(|digits| digits.parse().ok()).filter(|status| *status >= 100);
    match version {
        "HTTP/1.1" | "HTTP/1.0" => Ok(Head { status: status.ok_or_else(no_http)?, is_1_1: version == "HTTP/1.1", headers: Vec::new() }),
        _ => Err(no_http()),
    }
}

/// A line without its end, of what is left for the head.
fn line(connection: &mut Connection, left: &mut u64) -> Result<String, Failure> {
    let mut line = Vec::new();
    connection.take(*left).read_until(b'\n', &mut line).map_err(Failure::amid)?;
    *left -= line.len() as u64;
    match line.pop() {
        Some(b'\n') => {}
        _ if *left == 0 => return Err(Failure::Bad(format!("a head of more than {MOST_HEAD_BYTES} bytes"))),
        _ => return Err(Failure::Bad("one that ended in its head".into())),
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Reads a body to its end; and whether another reply may follow on the connection.
pub(crate) fn read_body(connection: &mut Connection, head: &Head) -> Result<(Vec<u8>, bool), Failure> {
    let mut body = Vec::new();
    let keeps = head.is_1_1 && !head.has("connection", "close");
    if matches!(head.status, 204 | 304) {
        return Ok((body, keeps));
    }
    if let Some(coding) = head.get("transfer-encoding") {
        if !coding.eq_ignore_ascii_case("chunked") {
            return Err(Failure::Bad(format!("the transfer encoding {coding:?}")));
        }
        read_chunks(connection, &mut body)?;
        return Ok((body, keeps && head.get("content-length").is_none()));
    }
    let Some(length) = head.get("content-length") else {
        connection.take(MOST_BODY_BYTES + 1).read_to_end(&mut body).map_err(Failure::amid)?;
        return if body.len() as u64 > MOST_BODY_BYTES { Err(too_large()) } else { Ok((body, false)) };
    };
    let is_number = length.bytes().all(|digit| digit.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_number).ok_or_else(|| Failure::Bad(format!("the length {length:?}")))?;
    read_exactly(connection, length, &mut body)?;
    Ok((body, keeps))
}

fn too_large() -> Failure {
    Failure::Bad(format!("one of more than {MOST_BODY_BYTES} bytes"))
}

/// Adds so many bytes to the body.
fn read_exactly(connection: &mut Connection, length: u64, body: &mut Vec<u8>) -> Result<(), Failure> {
    if length > MOST_BODY_BYTES - body.len() as u64 {
        return Err(too_large());
    }
    body.reserve(length.min(FIRST_BYTES) as usize);
    let read = connection.take(length).read_to_end(body).map_err(Failure::amid)? as u64;
    if read < length {
        return Err(Failure::Bad(format!("one that ended {} bytes before its end", length - read)));
    }
    Ok(())
}

/// Chunks, each with its length before it, and trailers, which are passed over.
fn read_chunks(connection: &mut Connection, body: &mut Vec<u8>) -> Result<(), Failure> {
    loop {
        let mut left = MOST_HEAD_BYTES;
        let line_of_length = line(connection, &mut left)?;
        let digits = line_of_length.split(';').next().unwrap_or("").trim();
        let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let length = u64::from_str_radix(digits, 16).ok().filter(|_| is_number);
        let length = length.ok_or_else(|| Failure::Bad(format!("a chunk of length {line_of_length:?}")))?;
        if length == 0 {
            break;
        }
        read_exactly(connection, length, body)?;
        if !line(connection, &mut left)?.is_empty() {
            return Err(Failure::Bad("a chunk longer than it says".into()));
        }
    }
    let mut left = MOST_HEAD_BYTES;
    while !line(connection, &mut left)?.is_empty() {}
    Ok(())
}
