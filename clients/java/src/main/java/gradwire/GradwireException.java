package gradwire;

import java.io.Serializable;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Whatever went wrong with a call: one of {@link Refused}, {@link Unreachable}, {@link TimedOut}, {@link BadReply}. The message says what was
 * found, where, and what would do. The client is usable as before.
 *
 * <p>Unchecked, for a training loop that cannot go on has nothing to do at each call; one handler around the loop is enough.
 */
public abstract sealed class GradwireException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private GradwireException(String message, Throwable cause) {
    super(message, cause);
  }

  /** One field that the service does not take: a JSON pointer such as {@code /labels/3/0}, and what is wrong there. */
  public record FieldError(String pointer, String detail) implements Serializable {}

  /** The service answered, and refused: a status of 4xx is about the request, one of 5xx about the service. */
  public static final class Refused extends GradwireException {
    private static final long serialVersionUID = 1;
    private final int status;
    private final String title;
    private final String detail;
    private final FieldError[] errors;
    private final Duration retryAfter;
    private final String requestId;

    Refused(int status, String title, String detail, List<FieldError> errors, Duration retryAfter, String requestId) {
      super(text(detail, errors), null);
      this.status = status;
      this.title = title;
      this.detail = detail;
      this.errors = errors.toArray(FieldError[]::new);
      this.retryAfter = retryAfter;
      this.requestId = requestId;
    }

    /** The detail, then those errors that it does not mention, a line each. */
    private static String text(String detail, List<FieldError> errors) {
      String others = errors.stream()
          .filter(each -> each.pointer().isEmpty() || !detail.contains(each.pointer()))
          .map(each -> "\n" + each.pointer() + ": " + each.detail())
          .collect(Collectors.joining());
      return detail + others;
    }

    /** The HTTP status. */
    public int status() {
      return status;
    }

    /** The status in words. */
    public String title() {
      return title;
    }

    /** What is wrong, in the service's words. */
    public String detail() {
      return detail;
    }

    /** The fields that are wrong; may be empty. */
    public List<FieldError> errors() {
      return List.copyOf(Arrays.asList(errors));
    }

    /** After how long the service would like to be asked again, if it said so. */
    public Optional<Duration> retryAfter() {
      return Optional.ofNullable(retryAfter);
    }

    /** Names this request in the service's log; empty if the service named none. */
    public String requestId() {
      return requestId;
    }
  }

  /** There is no connection to the service, or it broke before a reply came. */
  public static final class Unreachable extends GradwireException {
    private static final long serialVersionUID = 1;
    private final String address;
    private final String reason;
    final boolean hungUp; // the request may be sent again

    Unreachable(String address, String reason, boolean hungUp, Throwable cause) {
      super("no service answers at " + address + ": " + reason + "; is it running, and is this its address?", cause);
      this.address = address;
      this.reason = reason;
      this.hungUp = hungUp;
    }

    /** Where the request was sent. */
    public String address() {
      return address;
    }

    /** The system's reason. */
    public String reason() {
      return reason;
    }
  }

  /** The timeout of the whole call passed, retries and the waits between them included. */
  public static final class TimedOut extends GradwireException {
    private static final long serialVersionUID = 1;
    private final Duration timeout;
    private final String waitedFor;

    TimedOut(String address, Duration timeout, String waitedFor) {
      super(timeout.toMillis() + " ms have passed, waiting for " + waitedFor + " of " + address + "; a larger timeout allows for more", null);
      this.timeout = timeout;
      this.waitedFor = waitedFor;
    }

    /** The client's timeout. */
    public Duration timeout() {
      return timeout;
    }

    /** A reply, or the rest of one. */
    public String waitedFor() {
      return waitedFor;
    }
  }

  /** What answered is not gradwire, or its reply is cut, malformed, or not of the shape that was asked for. */
  public static final class BadReply extends GradwireException {
    private static final long serialVersionUID = 1;
    private final String found;
    private final String expected;

    BadReply(String address, String found, String expected) {
      super("no reply of gradwire from " + address + ": found " + found + "; expected " + expected, null);
      this.found = found;
      this.expected = expected;
    }

    /** What came. */
    public String found() {
      return found;
    }

    /** What should have come. */
    public String expected() {
      return expected;
    }
  }
}
