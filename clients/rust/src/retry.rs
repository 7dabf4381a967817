//! When a call is sent again.

use std::time::Duration;

use crate::answer::Answer;
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(100); // then twice as long each time
const MOST_DOUBLINGS: u32 = 20;

/// How long to wait before another attempt; `None`: it would not help. It may help where the service is busy or starting, and where a
/// connection ended before any byte of a reply.
pub(crate) fn pause(outcome: &Result<Answer, Error>, attempt: u32) -> Option<Duration> {
    match outcome {
        Err(Error::Unreachable(unreachable)) if unreachable.is_hung_up => Some(Duration::ZERO),
        Ok(answer) if matches!(answer.head.status, 429 | 503) => {
            Some(answer.retry_after().unwrap_or(FIRST_PAUSE * (1 << attempt.min(MOST_DOUBLINGS))))
        }
        _ => None,
    }
}
