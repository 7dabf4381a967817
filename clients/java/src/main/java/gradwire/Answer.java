package gradwire;

import java.time.Duration;

/** What came back, whole. `retryAfter` is null where there is none; `location` and `requestId` are empty then. */
record Answer(int status, String mediaType, byte[] body, Duration retryAfter, String requestId, String location) {
  boolean isBusy() {
    return status == 429 || status == 503;
  }

  /** A status and a media type, as a person would say them. */
  String kind() {
    String what = status / 100 == 3 ? "a redirect" + (location.isEmpty() ? "" : " to " + location) : mediaType.isEmpty() ? "no media type" : mediaType;
    return what + " with status " + status;
  }
}
