package gradwire;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Where the services are that these tests talk to, and what they should answer; see clients/README.md. */
final class Environment {
  static final String LIVE = needed("GRADWIRE_URL");
  static final String LOCKED = needed("GRADWIRE_LOCKED_URL");
  static final String KEY = needed("GRADWIRE_LOCKED_KEY");
  static final String FAULTS = needed("GRADWIRE_FAULTS_URL");
  static final Path GOLDEN = Path.of(needed("GRADWIRE_GOLDEN"));
  static final Job SOFTMAX = Job.of(new float[][] {{2.0f, 0.5f, -1.0f}, {0.1f, 1.2f, 3.0f}}).labels(new int[][] {{0}, {1, 2}}).loss("softmax_cross_entropy");
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private Environment() {}

  private static String needed(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException(name + " is not set; clients/README.md says what it should be");
    }
    return value;
  }

  static Object golden(String file) throws Exception {
    return JsonReader.read(Files.readString(GOLDEN.resolve(file)));
  }

  static Map<?, ?> object(Object value) {
    return (Map<?, ?>) value;
  }

  /** What the misbehaving server has counted: of a token, or of everything. */
  static int counted(String path, String name) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(FAULTS + "/stats" + path)).version(HttpClient.Version.HTTP_1_1).build();
    return ((Double) object(JsonReader.read(HTTP.send(request, BodyHandlers.ofString()).body())).get(name)).intValue();
  }

  static Client live(Form form) {
    return Client.builder(LIVE).form(form).build();
  }

  static Client.Builder faulty(String path, Form form) {
    return Client.builder(FAULTS + "/" + path).form(form);
  }

  /** The numbers of a reply are those of a reply in JSON. */
  static void agrees(Reply reply, Map<?, ?> expected, double tolerance) {
    same(reply.losses(), expected.get("loss"), tolerance);
    Checks.equal(reply instanceof GradReply, expected.containsKey("grad"));
    if (reply instanceof GradReply grad) {
      same(grad.grad(), expected.get("grad"), tolerance);
    }
  }

  private static void same(Tensor found, Object expected, double tolerance) {
    double[] numbers = JobOfCase.leaves(expected);
    Checks.equal(java.util.Arrays.toString(found.shape()), java.util.Arrays.toString(JobOfCase.shape(expected)));
    Checks.near(found.doubles(), numbers, tolerance);
  }

  static void agreesWithSoftmax(Reply reply, double tolerance) throws Exception {
    agrees(reply, object(golden("softmax.reply.json")), tolerance);
  }
}
