//! The services, and what every test needs.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gradwire::{Client, Error, Form, GradReply, Job, Json, Options};

pub const FORMS: [Form; 2] = [Form::Binary, Form::Json];

/// A setting of clients/README.md.
pub fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; clients/README.md says what it is"))
}

pub fn softmax() -> Job<f32> {
    Job {
        loss: Some("softmax_cross_entropy".into()),
        scores: [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]].into(),
        labels: Some([vec![0], vec![1, 2]].into()),
        ..Job::default()
    }
}

pub fn live() -> Client {
    client(&setting("GRADWIRE_URL"), Options::default())
}

pub fn client(url: &str, options: Options) -> Client {
    Client::with_options(url, options).expect("a client")
}

/// A client of the server that misbehaves in this way.
pub fn faulty(fault: &str, options: Options) -> Client {
    client(&format!("{}/{fault}", setting("GRADWIRE_FAULTS_URL")), options)
}

pub fn in_form(form: Form) -> Options {
    Options { form, ..Options::default() }
}

pub fn with_retries(retries: u32) -> Options {
    Options { retries, ..Options::default() }
}

pub fn with_timeout_ms(timeout: u64) -> Options {
    Options { timeout: Duration::from_millis(timeout), ..Options::default() }
}

/// The golden job gets its golden answer.
pub fn works(client: &Client) {
    let GradReply { loss, grad, .. } = client.grad(&softmax()).expect("a reply");
    let expected = [-0.107_201_49, 0.087_645_195, 0.019_556_286, 0.022_544_546, -0.182_272_43, 0.159_727_87];
    assert!((loss.number().expect("one number") - 0.670_213_04).abs() < 1e-5, "found {loss}");
    assert_eq!((grad.len(), grad.values().len()), (2, 6));
    for (found, expected) in grad.values().iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "found {found}, expected {expected}");
    }
}

/// The error of a call that should have one.
pub fn failure(client: &Client) -> Error {
    client.grad(&softmax()).expect_err("an error")
}

macro_rules! expected {
    ($error:expr, $kind:ident) => {
        match $error {
            gradwire::Error::$kind(found) => found,
            other => panic!("found {other:?}, expected {}", stringify!($kind)),
        }
    };
}
pub(crate) use expected;

/// What the fault server has counted under this name: of everything, or of a token.
pub fn counted(name: &str, token: &str) -> usize {
    let address = setting("GRADWIRE_FAULTS_URL").replace("http://", "");
    let mut stream = TcpStream::connect(&address).expect("the fault server");
    write!(stream, "GET /stats/{token} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
    match body.parse() {
        Ok(Json::Object(counts)) => match counts[name] {
            Json::Number(count) => count as usize,
            _ => panic!("found {body}"),
        },
        _ => panic!("found {body}"),
    }
}

/// A token of its own for each test.
pub fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("rust-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Fails the test if something took longer than it should.
pub fn took_at_most(began: Instant, most_ms: u64) {
    let passed = began.elapsed();
    assert!(passed <= Duration::from_millis(most_ms), "took {passed:?}, expected at most {most_ms} ms");
}
