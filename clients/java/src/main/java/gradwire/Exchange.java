package gradwire;

import gradwire.GradwireException.BadReply;
import gradwire.GradwireException.TimedOut;
import gradwire.GradwireException.Unreachable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.ProtocolException;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** One request and its answer. */
final class Exchange {
  private final String address;
  private final Deadline deadline;
  private volatile boolean hasHead;

  private Exchange(String address, Deadline deadline) {
    this.address = address;
    this.deadline = deadline;
  }

  /** Throws Unreachable, TimedOut, BadReply, or CancellationException where the thread is interrupted. */
  static Answer send(HttpClient http, HttpRequest request, Deadline deadline) {
    return new Exchange(request.uri().toString(), deadline).run(http, request);
  }

  private Answer run(HttpClient http, HttpRequest request) {
    CompletableFuture<HttpResponse<byte[]>> future = http.sendAsync(request, head -> {
      hasHead = true;
      return new BoundedBody();
    });
    try {
      return answer(future.get(deadline.remainingNanos(), TimeUnit.NANOSECONDS));
    } catch (TimeoutException passed) {
      throw new TimedOut(address, deadline.timeout(), hasHead ? "the rest of the reply" : "a reply");
    } catch (InterruptedException interrupted) {
      throw cancelled();
    } catch (ExecutionException failed) {
      throw failure(failed.getCause());
    } finally {
      future.cancel(true); // which ends what is still under way, and nothing else
    }
  }

  /** For a thread that was interrupted while it waited: it stays interrupted. */
  static CancellationException cancelled() {
    Thread.currentThread().interrupt();
    return new CancellationException("the thread was interrupted while it waited for a reply");
  }

  private static Answer answer(HttpResponse<byte[]> response) {
    HttpHeaders headers = response.headers();
    String mediaType = text(headers, "content-type").split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
    String seconds = text(headers, "retry-after");
    Duration retryAfter = seconds.matches("\\d{1,9}") ? Duration.ofSeconds(Long.parseLong(seconds)) : null;
    return new Answer(response.statusCode(), mediaType, response.body(), retryAfter, text(headers, "x-request-id"), text(headers, "location"));
  }

  private static String text(HttpHeaders headers, String name) {
    return headers.firstValue(name).orElse("");
  }

  private GradwireException failure(Throwable error) {
    if (error instanceof BoundedBody.TooLong) {
      return new BadReply(address, "more than " + BoundedBody.MOST_BYTES + " bytes", "a reply of at most 1 GiB");
    }
    if (error instanceof ProtocolException) {
      return new BadReply(address, "what is no HTTP (" + error.getMessage() + ")", "HTTP");
    }
    if (hasHead) {
      return new BadReply(address, "a reply that is cut (" + error.getMessage() + ")", "all of it");
    }
    boolean hungUp = error instanceof IOException && !(error instanceof ConnectException);
    String reason = hungUp ? "the connection ended before a reply came (" + reason(error) + ")" : reason(error);
    return new Unreachable(address, reason, hungUp, error);
  }

  /** What the system says: the message of the innermost cause that has one. */
  private static String reason(Throwable error) {
    String said = error instanceof ConnectException ? "connection refused" : error.toString();
    for (Throwable each = error; each != null; each = each.getCause()) {
      if (each instanceof UnresolvedAddressException) {
        return "the name of the host is not known";
      }
      said = each.getMessage() == null ? said : each.getMessage();
    }
    return said;
  }
}
