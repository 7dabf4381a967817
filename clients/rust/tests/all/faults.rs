//! Servers that misbehave.

use std::error::Error as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use gradwire::Options;

use crate::setup::*;

#[test]
fn replies_that_cannot_be_believed() {
    let expectations = [
        ("cut", "broke off|ended"),
        ("html", "text/html"),
        ("html-502", "status 502"),
        ("redirect", "/golden/softmax"),
        ("not-json", "found"),
        ("no-grad", "grad"),
        ("wrong-shape", "grad of shape [2, 3], found [1, 3]"),
        ("wrong-type", "grad"),
        ("null", "expected"),
        ("huge-header", "header of 4611686018427387904|found \"[[["),
        ("other-form", "application/"),
    ];
    for (fault, words) in expectations {
        for form in FORMS {
            let began = Instant::now();
            let error = failure(&faulty(fault, in_form(form)));
            let said = error.to_string();
            assert!(words.split('|').any(|words| said.contains(words)), "{fault}: found {said:?}");
            let bad = expected!(error, BadReply);
            assert!(bad.status.is_some() && !bad.expected.is_empty() && !bad.found.is_empty(), "found {bad:?}");
            took_at_most(began, 2000);
            works(&faulty("golden/softmax", in_form(form)));
        }
    }
}

#[test]
fn slow_replies_time_out() {
    for (fault, waiting_for) in [("silent", "a reply"), ("stalls", "the rest"), ("trickles", "the rest")] {
        let began = Instant::now();
        let timed_out = expected!(failure(&faulty(fault, with_timeout_ms(300))), TimedOut);
        assert!(timed_out.waiting_for.starts_with(waiting_for), "{fault}: found {timed_out}");
        assert!(timed_out.after == Duration::from_millis(300) && began.elapsed() >= timed_out.after);
        took_at_most(began, 1000);
    }
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}"), "http://no-such-host.invalid".into()] {
        let error = failure(&client(&url, Options::default()));
        assert!(error.to_string().contains(&url) && error.source().is_some(), "found {error}");
        expected!(error, Unreachable);
    }
}

/// A server that says the same to everyone and then hangs up.
fn saying(what: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let what = what.into();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(&what);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new()); // until the client leaves: a request that no one reads would reset the reply
        }
    });
    format!("http://{address}")
}

#[test]
fn what_is_no_http_is_a_bad_reply() {
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 17]].concat();
    let replies = [
        b"SSH-2.0-OpenSSH\r\n".to_vec(),
        b"HTTP/1.1 2".to_vec(),
        b"HTTP/2 200\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n".to_vec(),
        endless,
    ];
    for reply in replies {
        let bad = expected!(failure(&client(&saying(&reply[..]), Options::default())), BadReply);
        assert!(!bad.found.is_empty());
    }
}

#[test]
fn replies_without_a_length_and_interim_ones_are_read() {
    let reply = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 429 Busy\r\nContent-Type: application/problem+json; charset=utf-8\r\n\r\n{\"title\":\"Busy\"}";
    let refused = expected!(failure(&client(&saying(reply), with_retries(0))), Refused);
    assert_eq!((refused.status, refused.to_string().as_str()), (429, "429 Busy"));
}
