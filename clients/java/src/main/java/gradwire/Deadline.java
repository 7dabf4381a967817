package gradwire;

import java.time.Duration;

/** The time that a whole call has. */
record Deadline(Duration timeout, long endNanos) {
  private static final Duration LONGEST = Duration.ofMillis(999_999_999); // as many digits as the service reads

  static Deadline after(Duration timeout) {
    Duration bounded = timeout.compareTo(LONGEST) < 0 ? timeout : LONGEST;
    return new Deadline(timeout, System.nanoTime() + bounded.toNanos());
  }

  long remainingNanos() {
    return Math.max(0, endNanos - System.nanoTime());
  }

  /** What is left, as X-Request-Timeout-Ms has it: at least 1. */
  String header() {
    return String.valueOf(Math.max(1, Math.round(remainingNanos() / 1e6)));
  }
}
