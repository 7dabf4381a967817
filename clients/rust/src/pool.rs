//! The connections that are idle.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::Connection;

const MOST_IDLE: usize = 64;

/// Connections that wait for the next call, whichever thread makes it.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    /// One that the service has not closed, if there is one.
    pub(crate) fn take(&self) -> Option<Connection> {
        loop {
            let connection = self.idle().pop()?;
            if connection.get_ref().is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps one whose reply has been read to its end.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if connection.buffer().is_empty() && idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Closes all of them: where one turned out to be dead, the others most likely are.
    pub(crate) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a list of connections is never half done
    }
}
