//! The connections that are idle.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::Connection;

const MOST_IDLE: usize = 64;
const LONGEST_IDLE: Duration = Duration::from_secs(60); // what is older the service has closed

/// Connections that wait for the next call, whichever thread makes it.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Idle>>);

/// A connection, and since when it has been idle.
type Idle = (Connection, Instant);

impl Pool {
    /// One that the service has not closed, if there is one.
    pub(crate) fn take(&self) -> Option<Connection> {
        loop {
            let (connection, _) = self.idle().pop()?;
            if connection.get_ref().is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps one whose reply has been read to its end.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < LONGEST_IDLE);
        if connection.buffer().is_empty() && idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    /// Closes all of them: where one turned out to be dead, the others most likely are.
    pub(crate) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a list of connections is never half done
    }
}
