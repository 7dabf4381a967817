//! A connection whose every step ends at a deadline.

use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::address::Address;

/// A connection, and what has been read of it ahead.
pub(crate) type Connection = BufReader<Timed>;

/// A stream that fails with `TimedOut` once its deadline has passed.
pub(crate) struct Timed {
    stream: TcpStream,
    pub(crate) deadline: Instant,
}

/// How long there is until a deadline; an error where there is nothing left.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left.max(Duration::from_millis(1)))
}

/// Systems say in two ways that a stream's time has passed.
fn as_timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        return io::ErrorKind::TimedOut.into();
    }
    error
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(into).map_err(as_timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(from).map_err(as_timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Timed {
    /// Whether nothing has come since the last reply, not even an end.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let is_blocking = self.stream.set_nonblocking(false).is_ok();
        is_blocking && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A connection to the first of the host's addresses that takes it.
pub(crate) fn connect(address: &Address, deadline: Instant) -> io::Result<Connection> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for each in resolved(&address.host, address.port, deadline)? {
        match TcpStream::connect_timeout(&each, left(deadline)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(BufReader::new(Timed { stream, deadline }));
            }
            Err(error) => failure = as_timed_out(error),
        }
    }
    Err(failure)
}

/// The host's addresses. The system's look-up knows no deadline, so that it has a thread of its own, which ends when the look-up does.
fn resolved(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = host.to_string();
    thread::Builder::new().spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        drop(sender.send(found)); // no one listens once the deadline has passed
    })?;
    receiver.recv_timeout(left(deadline)?).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
