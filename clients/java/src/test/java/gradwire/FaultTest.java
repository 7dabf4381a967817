package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.matches;
import static gradwire.Checks.that;
import static gradwire.Checks.thrown;
import static gradwire.Environment.SOFTMAX;
import static gradwire.Environment.counted;
import static gradwire.Environment.faulty;
import static gradwire.Environment.golden;
import static gradwire.Environment.object;

import gradwire.GradwireException.BadReply;
import gradwire.GradwireException.Refused;
import gradwire.GradwireException.TimedOut;
import gradwire.GradwireException.Unreachable;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** What can go wrong between here and there: a typed error that says what would do, in time. */
final class FaultTest {
  /** A path, and what is said of it in the binary form and in JSON. */
  private record Fault(String path, String binary, String json) {}

  private static final List<Fault> BAD_REPLIES = List.of(
      new Fault("cut", "a reply that is cut .*received: \\d+", "a reply that is cut .*received: \\d+"),
      new Fault("html", "text/html with status 200", "text/html with status 200"),
      new Fault("html-502", "text/html with status 502", "text/html with status 502"),
      new Fault("redirect", "a redirect to /golden/softmax/grad with status 307", "a redirect"),
      new Fault("not-json", "a header of \\d+ bytes in a reply of \\d+", "'t' at character 0 of JSON"),
      new Fault("no-grad", "a grad that is missing", "a grad that is missing"),
      new Fault("wrong-shape", "of shape \\[1, 3\\]; expected the shape \\[2, 3\\]", "of shape \\[1, 3\\]; expected the shape \\[2, 3\\]"),
      new Fault("wrong-type", "'grad' as I64; expected safetensors of float32", "\"numbers\" for 'grad'"),
      new Fault("null", "a loss that is missing", "found null; expected a JSON object"),
      new Fault("huge-header", "a header of 4611686018427387904 bytes", "nested deeper than 64"),
      new Fault("other-form", "application/json with status 200; expected application/vnd.safetensors", "expected application/json"));

  private FaultTest() {}

  static void run(Checks checks) throws Exception {
    for (Form form : Form.values()) {
      for (Map.Entry<?, ?> each : object(golden("statuses.json")).entrySet()) {
        checks.check(each.getKey() + " in " + form, () -> status((String) each.getKey(), object(each.getValue()), form));
      }
      for (Fault fault : BAD_REPLIES) {
        checks.check("/" + fault.path + " in " + form, () -> badReply(fault, form));
      }
      for (String path : List.of("silent", "stalls", "trickles")) {
        checks.check("/" + path + " in " + form + ": the timeout is of the whole call", () -> timedOut(path, form));
      }
      for (String path : List.of("busy", "draining")) {
        checks.check("/" + path + " in " + form + ": asked again until the service has time", () -> askedAgain(path, form));
        checks.check("/" + path + " in " + form + ": not more often than said", () -> notTooOften(path, form));
      }
      checks.check("/later in " + form + ": a wait that would outlast the timeout is not begun", () -> later(form));
      checks.check("/stale, /closing and /chunked in " + form + " are no errors", () -> endedConnections(form));
    }
    checks.check("/hang-up: asked again at once, then unreachable", FaultTest::hangUp);
    checks.check("503 waits as long as Retry-After says", FaultTest::waits);
    checks.check("a refused connection names the address and the reason", FaultTest::refusedConnection);
    checks.check("a host that does not exist is unreachable", FaultTest::noHost);
    checks.check("what speaks no HTTP is no gradwire", FaultTest::noHttp);
  }

  private static void status(String status, Map<?, ?> expected, Form form) {
    Refused error = thrown(Refused.class, () -> faulty("status/" + status, form).retries(0).build().grad(SOFTMAX));
    Map<?, ?> problem = object(expected.get("problem"));
    equal(String.valueOf(error.status()), status);
    equal(error.title(), problem.get("title"));
    equal(error.detail(), problem.get("detail"));
    equal(error.getMessage(), problem.get("detail"));
    equal(error.errors().size(), problem.get("errors") instanceof List<?> errors ? errors.size() : 0);
    Object seconds = object(expected.get("headers")).get("Retry-After");
    equal(error.retryAfter(), Optional.ofNullable(seconds).map(each -> Duration.ofSeconds(Long.parseLong((String) each))));
    that(!error.requestId().isEmpty(), "no request id");
  }

  private static void badReply(Fault fault, Form form) {
    BadReply error = thrown(BadReply.class, () -> faulty(fault.path, form).build().grad(SOFTMAX));
    matches(error.getMessage(), form == Form.JSON ? fault.json : fault.binary);
    that(error.getMessage().contains("/" + fault.path + "/grad"), "no address in " + error.getMessage());
    that(!error.found().isEmpty() && !error.expected().isEmpty(), "nothing found or expected");
  }

  private static void timedOut(String path, Form form) {
    long began = System.nanoTime();
    TimedOut error = thrown(TimedOut.class, () -> faulty(path, form).timeout(Duration.ofMillis(300)).build().grad(SOFTMAX));
    that(secondsSince(began) < 10, secondsSince(began) + " s");
    equal(error.timeout(), Duration.ofMillis(300));
    equal(error.waitedFor(), path.equals("silent") ? "a reply" : "the rest of the reply");
  }

  private static void askedAgain(String path, Form form) throws Exception {
    String token = UUID.randomUUID().toString();
    Environment.agreesWithSoftmax(faulty(path + "/2/" + token, form).build().grad(SOFTMAX), 1e-7);
    equal(counted("/" + token, "requests"), 3);
  }

  private static void notTooOften(String path, Form form) throws Exception {
    String token = UUID.randomUUID().toString();
    thrown(Refused.class, () -> faulty(path + "/9/" + token, form).retries(2).build().grad(SOFTMAX));
    equal(counted("/" + token, "requests"), 3);
  }

  private static void later(Form form) {
    long began = System.nanoTime();
    Refused error = thrown(Refused.class, () -> faulty("later", form).build().grad(SOFTMAX));
    that(secondsSince(began) < 10, secondsSince(began) + " s");
    equal(error.retryAfter(), Optional.of(Duration.ofHours(1)));
  }

  private static void endedConnections(Form form) throws Exception {
    for (String path : List.of("stale/" + UUID.randomUUID(), "closing", "chunked")) {
      Client client = faulty(path, form).build();
      for (int i = 0; i < 5; i++) {
        Environment.agreesWithSoftmax(client.grad(SOFTMAX), 1e-7);
      }
    }
  }

  private static void hangUp() throws Exception {
    int before = counted("", "requests");
    Unreachable error = thrown(Unreachable.class, () -> faulty("hang-up", Form.BINARY).build().grad(SOFTMAX));
    equal(counted("", "requests") - before, 4);
    matches(error.reason(), "ended before a reply came \\((EOF|.*reset|.*closed)");
  }

  private static void waits() {
    long began = System.nanoTime();
    thrown(Refused.class, () -> faulty("status/503", Form.BINARY).retries(1).build().grad(SOFTMAX));
    that(secondsSince(began) >= 1 && secondsSince(began) < 10, secondsSince(began) + " s");
  }

  private static void refusedConnection() throws Exception {
    int port;
    try (ServerSocket unused = new ServerSocket(0)) {
      port = unused.getLocalPort();
    }
    Unreachable error = thrown(Unreachable.class, () -> Client.of("http://127.0.0.1:" + port).grad(SOFTMAX));
    equal(error.address(), "http://127.0.0.1:" + port + "/grad");
    matches(error.reason(), "(?i)refused");
    matches(error.getMessage(), "is it running");
  }

  private static void noHost() {
    matches(thrown(Unreachable.class, () -> Client.of("http://no-such-host.invalid").grad(SOFTMAX)).reason(), "host|no-such-host");
  }

  private static void noHttp() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread greeting = new Thread(() -> greet(server));
      greeting.start();
      BadReply error = thrown(BadReply.class, () -> Client.builder("http://127.0.0.1:" + server.getLocalPort()).retries(0).build().grad(SOFTMAX));
      matches(error.getMessage(), "no HTTP");
      greeting.join();
    }
  }

  private static void greet(ServerSocket server) {
    try (Socket socket = server.accept()) {
      socket.getOutputStream().write("SSH-2.0-something\r\n".getBytes(StandardCharsets.US_ASCII));
      socket.setSoTimeout(500);
      socket.getInputStream().readAllBytes(); // a connection with unread bytes would be reset, and the greeting lost
    } catch (java.io.IOException enough) {
      // That was all that it would have said.
    }
  }

  static double secondsSince(long nanos) {
    return (System.nanoTime() - nanos) / 1e9;
  }
}
