package gradwire;

import gradwire.GradwireException.Unreachable;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A gradwire service.
 *
 * <p>It keeps its connections, and may be used by any number of threads at once. There is nothing to close. Every call throws {@link
 * GradwireException}, or {@link java.util.concurrent.CancellationException} if its thread is interrupted, which it stays.
 */
public final class Client {
  private static final long FIRST_WAIT_MS = 100;
  private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final String base;
  private final String apiKey;
  private final Duration timeout;
  private final int retries;
  private final Form form;

  private Client(Builder options) {
    base = options.base;
    apiKey = options.apiKey;
    timeout = options.timeout;
    retries = options.retries;
    form = options.form;
  }

  /** The service at this address, such as {@code http://127.0.0.1:8000}; a path in it is kept. */
  public static Client of(String url) {
    return builder(url).build();
  }

  /** The same with options. Throws IllegalArgumentException for what is no address. */
  public static Builder builder(String url) {
    return new Builder(url);
  }

  /** The loss alone. */
  public Reply loss(Job job) {
    Call call = new Call("/loss", job);
    return call.reader().loss(answer(call));
  }

  /** The loss, and its gradient with respect to the scores. */
  public GradReply grad(Job job) {
    Call call = new Call("/grad", job);
    return call.reader().grad(answer(call));
  }

  /** A job in the form that can hold it, and where it is sent. */
  private final class Call {
    final String url;
    final Job job;
    final Form form;
    final byte[] body;

    Call(String path, Job job) {
      byte[] tensors = Client.this.form == Form.BINARY ? BinaryForm.write(job) : null;
      this.url = base + path;
      this.job = job;
      this.form = tensors == null ? Form.JSON : Form.BINARY;
      this.body = tensors == null ? JsonForm.write(job) : tensors;
    }

    ReplyReader reader() {
      return new ReplyReader(url, form, job);
    }
  }

  /** Asks, and asks again while that may help. */
  private Answer answer(Call call) {
    Deadline deadline = Deadline.after(timeout);
    for (int tries = 0; ; tries++) {
      try {
        Answer answer = Exchange.send(http, request(call, deadline), deadline);
        Duration wait = answer.retryAfter() != null ? answer.retryAfter() : Duration.ofMillis(FIRST_WAIT_MS << Math.min(tries, 30));
        if (!answer.isBusy() || tries >= retries || wait.toNanos() >= deadline.remainingNanos()) {
          return answer;
        }
        TimeUnit.NANOSECONDS.sleep(wait.toNanos());
      } catch (Unreachable error) {
        if (!error.hungUp || tries >= retries) {
          throw error;
        }
      } catch (InterruptedException interrupted) {
        throw Exchange.cancelled();
      }
    }
  }

  private HttpRequest request(Call call, Deadline deadline) {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(call.url))
        .header("Content-Type", call.form.mediaType)
        .header("Accept", call.form.mediaType)
        .header("X-Request-Timeout-Ms", deadline.header())
        .POST(BodyPublishers.ofByteArray(call.body));
    return (apiKey == null ? request : request.header("Authorization", "Bearer " + apiKey)).build();
  }

  /** The options of a client. Each method throws IllegalArgumentException for a value that cannot be used. */
  public static final class Builder {
    private final String base;
    private String apiKey;
    private Duration timeout = Duration.ofSeconds(30);
    private int retries = 3;
    private Form form = Form.BINARY;

    private Builder(String url) {
      base = base(url);
    }

    /** Sent as {@code Authorization: Bearer …}. */
    public Builder apiKey(String key) {
      require(key.matches("[\\x21-\\x7e]+"), "the API key is empty, or has characters that no header can hold");
      apiKey = key;
      return this;
    }

    /** Of a whole call, retries and the waits between them included; default 30 s. */
    public Builder timeout(Duration given) {
      require(given.compareTo(Duration.ZERO) > 0, "the timeout is " + given + "; expected more than 0");
      timeout = given;
      return this;
    }

    /** How many times a request is sent again when the service is busy or hangs up; default 3. */
    public Builder retries(int given) {
      require(given >= 0, "the retries are " + given + "; expected 0, 1, 2, …");
      retries = given;
      return this;
    }

    /** Default binary. */
    public Builder form(Form given) {
      form = Objects.requireNonNull(given, "form");
      return this;
    }

    public Client build() {
      return new Client(this);
    }

    /** The address without a slash at its end. */
    private static String base(String url) {
      String example = "; expected one such as http://127.0.0.1:8000";
      try {
        URI uri = new URI(url);
        boolean isHttp = uri.getScheme() != null && Set.of("http", "https").contains(uri.getScheme().toLowerCase(Locale.ROOT)) && uri.getHost() != null;
        require(isHttp, "'" + url + "' is no address of a service" + example);
        require(uri.getUserInfo() == null && uri.getQuery() == null && uri.getFragment() == null, "the address of a service has no user, query or fragment" + example);
        return url.replaceAll("/+$", "");
      } catch (URISyntaxException error) {
        throw new IllegalArgumentException("'" + url + "' is no address of a service" + example, error);
      }
    }

    private static void require(boolean holds, String otherwise) {
      if (!holds) {
        throw new IllegalArgumentException(otherwise);
      }
    }
  }
}
