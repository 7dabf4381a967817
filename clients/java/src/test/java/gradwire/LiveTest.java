package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.matches;
import static gradwire.Checks.near;
import static gradwire.Checks.that;
import static gradwire.Checks.thrown;
import static gradwire.Environment.KEY;
import static gradwire.Environment.LIVE;
import static gradwire.Environment.LOCKED;
import static gradwire.Environment.SOFTMAX;
import static gradwire.Environment.counted;
import static gradwire.Environment.faulty;
import static gradwire.Environment.live;

import gradwire.GradwireException.Refused;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Keys, limits, threads, connections and precisions. */
final class LiveTest {
  private LiveTest() {}

  static void run(Checks checks) {
    checks.check("a key that is missing or wrong is 401; the right one is taken", LiveTest::keys);
    for (Form form : Form.values()) {
      checks.check("a body over the limit is 413 in " + form + ", and the client works afterwards", () -> tooLarge(form));
      checks.check("100 calls one after another take one connection in " + form, () -> keptConnection(form));
    }
    checks.check("one client serves many threads", LiveTest::threads);
    checks.check("faults leave nothing open", LiveTest::nothingOpen);
    checks.check("a thread that is interrupted stops waiting, and stays interrupted", LiveTest::interrupted);
    checks.check("the forms agree to the last bit", LiveTest::formsAgree);
    checks.check("a precision that is not the array's own is asked for", LiveTest::otherPrecision);
    checks.check("a path in the address is kept, with or without a slash at its end", () -> that(Client.of(LIVE + "/").loss(SOFTMAX).loss() > 0, "no loss"));
    checks.check("one loss or many", LiveTest::oneLossOrMany);
    checks.check("the head of a request has what it should, and offers no upgrade", LiveTest::head);
  }

  private static void keys() throws Exception {
    equal(thrown(Refused.class, () -> Client.of(LOCKED).grad(SOFTMAX)).status(), 401);
    equal(thrown(Refused.class, () -> Client.builder(LOCKED).apiKey("wrong").build().grad(SOFTMAX)).status(), 401);
    Environment.agreesWithSoftmax(Client.builder(LOCKED).apiKey(KEY).build().grad(SOFTMAX), 1e-5);
  }

  private static void tooLarge(Form form) throws Exception {
    Client client = Client.builder(LOCKED).apiKey(KEY).form(form).build();
    Refused error = thrown(Refused.class, () -> client.grad(Job.of(new float[2000][100]).labels(new int[2000])));
    equal(error.status(), 413);
    matches(error.getMessage(), "100000 bytes");
    Environment.agreesWithSoftmax(client.grad(SOFTMAX), 1e-5);
  }

  private static void keptConnection(Form form) throws Exception {
    int before = counted("", "connections");
    Client client = faulty("golden/softmax", form).build();
    for (int i = 0; i < 100; i++) {
      client.grad(SOFTMAX);
    }
    equal(counted("", "connections") - before, 1);
  }

  private static void threads() throws Exception {
    Client client = Client.of(LIVE);
    float[] expected = client.grad(SOFTMAX).grad().floats();
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try {
      List<Future<GradReply>> replies = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        replies.add(pool.submit(() -> client.grad(SOFTMAX)));
      }
      for (Future<GradReply> each : replies) {
        that(Arrays.equals(each.get().grad().floats(), expected), "another gradient");
      }
    } finally {
      pool.shutdown();
    }
  }

  private static void nothingOpen() throws Exception {
    int before = counted("", "open");
    for (String fault : List.of("cut", "silent", "stalls", "trickles", "hang-up", "html", "not-json", "huge-header", "status/422", "later", "redirect")) {
      Client client = faulty(fault, Form.BINARY).timeout(Duration.ofMillis(150)).build();
      for (int i = 0; i < 5; i++) {
        thrown(GradwireException.class, () -> client.grad(SOFTMAX));
      }
      int now = counted("", "open");
      for (int tries = 0; tries < 50 && now - before > 1; tries++) {
        Thread.sleep(100); // /trickles looks for the end of its connection every 0.2 s
        now = counted("", "open");
      }
      that(now - before <= 1, "/" + fault + " leaves " + (now - before) + " connections open; one may be kept");
      before = now;
    }
  }

  private static void interrupted() throws Exception {
    Client client = faulty("silent", Form.BINARY).build();
    boolean[] stays = {false};
    Thread waiting = new Thread(() -> {
      thrown(CancellationException.class, () -> client.grad(SOFTMAX));
      stays[0] = Thread.currentThread().isInterrupted();
    });
    waiting.start();
    Thread.sleep(200);
    waiting.interrupt();
    waiting.join(10_000);
    that(stays[0], "not stopped, or no longer interrupted");
  }

  private static void formsAgree() {
    double[] numbers = new double[640];
    Arrays.setAll(numbers, i -> Math.sin(i) * 3);
    int[][] labels = new int[64][];
    Arrays.setAll(labels, n -> n % 3 == 0 ? new int[0] : new int[] {n % 10, (n + 3) % 10});
    Tensor wide = Tensor.of(numbers, 64, 10);
    for (Tensor scores : List.of(wide, Tensor.of(wide.floats(), 64, 10))) {
      GradReply one = live(Form.BINARY).grad(Job.of(scores).labels(labels));
      GradReply other = live(Form.JSON).grad(Job.of(scores).labels(labels));
      GradReply rows = live(Form.JSON).grad(scores == wide ? Job.of(wide.doubleRows()).labels(labels) : Job.of(wide.floatRows()).labels(labels));
      equal(one.grad().dtype(), scores.dtype());
      equal(other.loss(), one.loss());
      near(other.grad().doubles(), one.grad().doubles(), 0);
      near(rows.grad().doubles(), one.grad().doubles(), 0);
    }
  }

  private static void otherPrecision() {
    for (Form form : Form.values()) {
      equal(live(form).grad(SOFTMAX.dtype(Dtype.FLOAT64)).grad().dtype(), Dtype.FLOAT64);
      Job job = Job.of(new double[][] {{1, 2}}).labels(new int[] {1}).dtype(Dtype.FLOAT32);
      equal(live(form).grad(job).grad().dtype(), Dtype.FLOAT32);
    }
  }

  private static void oneLossOrMany() {
    Reply many = live(Form.BINARY).loss(SOFTMAX.reduction(Reduction.NONE));
    equal(Arrays.toString(many.losses().shape()), "[2]");
    matches(thrown(IllegalStateException.class, many::loss).getMessage(), "2 losses, not one; losses\\(\\) has them");
    equal(live(Form.BINARY).loss(SOFTMAX).losses().length(), 1);
  }

  private static void head() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Client client = Client.builder("http://127.0.0.1:" + server.getLocalPort() + "/some/path/").apiKey("a-key").timeout(Duration.ofSeconds(3)).retries(0).build();
      Thread calling = new Thread(() -> thrown(GradwireException.class, () -> client.grad(SOFTMAX)));
      calling.start();
      try (Socket socket = server.accept()) {
        BufferedReader reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
        String head = String.join("\n", reader.lines().takeWhile(line -> !line.isEmpty()).toList());
        matches(head, "^POST /some/path/grad HTTP/1.1\n");
        matches(head, "(?i)\nContent-Type: application/vnd.safetensors");
        matches(head, "(?i)\nAccept: application/vnd.safetensors");
        matches(head, "(?i)\nAuthorization: Bearer a-key");
        matches(head, "(?i)\nX-Request-Timeout-Ms: (3000|2\\d{3})");
        that(!head.toLowerCase(Locale.ROOT).contains("upgrade"), head);
      }
      calling.join();
    }
  }
}
