//! What is tried again, and when.

use std::time::{Duration, Instant};

use gradwire::Options;

use crate::setup::*;

#[test]
fn busy_and_draining_are_tried_again() {
    for fault in ["busy", "draining"] {
        let token = token();
        works(&faulty(&format!("{fault}/2/{token}"), Options::default()));
        assert_eq!(counted("requests", &token), 3);
    }
}

#[test]
fn retries_are_counted() {
    let token = token();
    assert_eq!(expected!(failure(&faulty(&format!("busy/9/{token}"), with_retries(2))), Refused).status, 429);
    assert_eq!(counted("requests", &token), 3);
}

#[test]
fn a_wait_that_outlasts_the_timeout_is_not_begun() {
    let began = Instant::now();
    assert_eq!(expected!(failure(&faulty("later", Options::default())), Refused).retry_after, Some(Duration::from_secs(3600)));
    took_at_most(began, 1000);
}

#[test]
fn retry_after_is_waited_for() {
    let began = Instant::now();
    expected!(failure(&faulty("status/503", with_retries(1))), Refused);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_connection_that_ended_is_replaced() {
    let client = faulty(&format!("stale/{}", token()), Options::default());
    for _ in 0..10 {
        works(&client);
    }
    works(&faulty("closing", Options::default()));
}

#[test]
fn a_server_that_always_hangs_up_is_unreachable() {
    let before = counted("requests", "");
    expected!(failure(&faulty("hang-up", Options::default())), Unreachable);
    assert_eq!(counted("requests", "") - before, 4);
}
