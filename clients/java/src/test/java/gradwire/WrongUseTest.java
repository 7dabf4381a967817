package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.matches;
import static gradwire.Checks.that;
import static gradwire.Checks.thrown;
import static gradwire.Environment.LIVE;
import static gradwire.Environment.SOFTMAX;
import static gradwire.Environment.live;

import gradwire.GradwireException.Refused;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a caller may get wrong: the service says so in its own words, in both forms, unless it is no job at all. */
final class WrongUseTest {
  private static final float[][] RAGGED = {{2.0f, 0.5f, -1.0f}, {0.1f, 1.2f}};
  private static final int[][] LABELS = {{0}, {1, 2}};
  private static final float[][] SCORES = {{2.0f, 0.5f, -1.0f}, {0.1f, 1.2f, 3.0f}};

  private WrongUseTest() {}

  private static Map<String, Job> wrong() {
    Map<String, Job> jobs = new LinkedHashMap<>();
    jobs.put("scores", Job.of(RAGGED).labels(LABELS));
    jobs.put("/scores", Job.of(new float[][] {null, {1}}).labels(LABELS));
    jobs.put("scores.*N ≥ 1|scores: expected", Job.of(new float[0][]).labels(new int[0]));
    jobs.put("targets", Job.of(SCORES).targets(RAGGED));
    jobs.put("exactly one|labels", Job.of(SCORES));
    jobs.put("class 17 is out of range for C = 3", Job.of(SCORES).labels(new int[][] {{0}, {1, 17}}));
    jobs.put("/labels/1/0.*-1", Job.of(SCORES).labels(new int[][] {{0}, {-1}}));
    jobs.put("/labels/1", Job.of(SCORES).labels(new int[][] {{0}, {1, 1}}));
    jobs.put("labels", Job.of(SCORES).labels(new int[][] {{0}, null}));
    jobs.put("label_weights", SOFTMAX.labelWeights(new float[][] {{0.5f, 0.5f}, {1}}));
    jobs.put("/label_weights", SOFTMAX.labelWeights(new double[] {0.5, 0.5}));
    jobs.put("mask", SOFTMAX.mask(new boolean[][] {{true, true, true}}));
    jobs.put("/mask", SOFTMAX.mask(new boolean[][] {{true, true, true}, {true}}));
    jobs.put("gama", SOFTMAX.param("gama", 2));
    jobs.put("columns", SOFTMAX.meanOver("columns"));
    jobs.put("tpu", SOFTMAX.runtime("tpu"));
    jobs.put("class_weight", SOFTMAX.classWeight(new float[] {1, Float.NaN, 1}));
    jobs.put("NaN|pos_weight", SOFTMAX.loss("bce").posWeight(Double.NaN));
    jobs.put("/scores/0/0", Job.of(new float[][] {{Float.POSITIVE_INFINITY, 0, 0}, {0, 0, 0}}).labels(LABELS));
    jobs.put("grad_output", SOFTMAX.reduction(Reduction.NONE).gradOutput(Tensor.of(new float[] {1, 2, 3}, 3)));
    jobs.put("shape.*\\[6\\]|scores.*list", Job.of(Tensor.of(new float[6], 6)).labels(LABELS));
    return jobs;
  }

  static void run(Checks checks) {
    for (Form form : Form.values()) {
      wrong().forEach((words, job) -> checks.check("422 with " + words + " in " + form, () -> {
        Refused error = thrown(Refused.class, () -> live(form).grad(job));
        equal(error.status(), 422);
        matches(error.getMessage(), words);
      }));
      checks.check("an unknown loss is 404, with a suggestion, in " + form, () -> {
        Refused error = thrown(Refused.class, () -> live(form).grad(SOFTMAX.loss("focl")));
        equal(error.status(), 404);
        matches(error.getMessage(), "did you mean 'focal'");
      });
    }
    checks.check("data that do not fill their shape are no tensor", () -> matches(thrown(IllegalArgumentException.class, () -> Tensor.of(new float[5], 2, 3)).getMessage(), "5 numbers do not fill the shape \\[2, 3\\], which holds 6"));
    checks.check("what JSON has no form for is no parameter", () -> matches(thrown(IllegalArgumentException.class, () -> live(Form.BINARY).grad(SOFTMAX.param("gamma", new Thread()))).getMessage(), "no form for java.lang.Thread"));
    checks.check("parameters in a ring are no job", WrongUseTest::ring);
    checks.check("null is no field", () -> matches(thrown(NullPointerException.class, () -> SOFTMAX.loss(null)).getMessage(), "loss"));
    checks.check("a job is not changed by what is made of it", WrongUseTest::immutable);
    checks.check("an address that is none says so", WrongUseTest::addresses);
    checks.check("an option that cannot be used says so", WrongUseTest::options);
  }

  private static void ring() {
    Map<String, Object> params = new HashMap<>();
    params.put("params", params);
    matches(thrown(IllegalArgumentException.class, () -> live(Form.BINARY).grad(SOFTMAX.params(params))).getMessage(), "nested deeper");
  }

  private static void immutable() {
    Map<String, Object> params = new HashMap<>(Map.of("temperature", 2.0));
    Job job = SOFTMAX.params(params);
    params.put("temperature", "hot");
    Job other = job.param("normalize", "sum").reduction(Reduction.SUM);
    equal(job.fields().get("params"), Map.of("temperature", 2.0));
    that(!job.fields().containsKey("reduction") && other.fields().containsKey("reduction"), "changed");
  }

  private static void addresses() {
    for (String url : List.of("", "127.0.0.1:8000", "ftp://127.0.0.1", "http://user:secret@127.0.0.1", "http://127.0.0.1/?a=b", "http://a b")) {
      String said = thrown(IllegalArgumentException.class, () -> Client.of(url)).getMessage();
      matches(said, "expected one such as http");
      that(!said.contains("secret"), "a secret is repeated");
    }
  }

  private static void options() {
    matches(thrown(IllegalArgumentException.class, () -> Client.builder(LIVE).timeout(Duration.ZERO)).getMessage(), "timeout is PT0S");
    matches(thrown(IllegalArgumentException.class, () -> Client.builder(LIVE).retries(-1)).getMessage(), "retries are -1");
    String said = thrown(IllegalArgumentException.class, () -> Client.builder(LIVE).apiKey("a\nb")).getMessage();
    that(said.contains("API key") && !said.contains("a\nb"), said);
    that(Client.builder(LIVE).timeout(Duration.ofSeconds(Long.MAX_VALUE)).build().loss(SOFTMAX).loss() > 0, "no loss");
  }
}
