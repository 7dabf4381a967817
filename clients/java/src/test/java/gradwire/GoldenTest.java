package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.matches;
import static gradwire.Checks.that;
import static gradwire.Checks.thrown;
import static gradwire.Environment.golden;
import static gradwire.Environment.object;

import gradwire.GradwireException.Refused;
import java.util.List;
import java.util.Map;

/** Every golden case in both forms, as nested arrays and as tensors: what it should ask, and what the live service answers. */
final class GoldenTest {
  private GoldenTest() {}

  static void run(Checks checks) throws Exception {
    List<?> cases = (List<?>) golden("cases.json");
    checks.check("there are cases", () -> that(cases.size() >= 20, "only " + cases.size()));
    for (Object each : cases) {
      String name = (String) object(each).get("name");
      for (Form form : Form.values()) {
        checks.check(name + " in " + form, () -> replayed(object(each), form, false));
        if (!name.equals("ragged")) {
          checks.check(name + " in " + form + ", as tensors", () -> replayed(object(each), form, true));
        }
      }
    }
    for (Form form : Form.values()) {
      checks.check("NaN in " + form + " is refused by name", () -> nan(form));
    }
    checks.check("a score of -infinity masks its class in the binary form, and is refused in JSON", GoldenTest::minusInfinity);
  }

  private static void replayed(Map<?, ?> each, Form form, boolean asTensors) throws Exception {
    Job job = JobOfCase.of(object(each.get("job")), asTensors);
    for (Client client : new Client[] {Environment.faulty("golden/" + each.get("name"), form).build(), Environment.live(form)}) {
      if (each.get("status").equals(200.0)) {
        answered(each, client, job);
      } else {
        refused(each, client, job);
      }
    }
  }

  private static void answered(Map<?, ?> each, Client client, Job job) throws Exception {
    Reply reply = each.get("path").equals("/loss") ? client.loss(job) : client.grad(job);
    Environment.agrees(reply, object(golden(each.get("name") + ".reply.json")), job.wanted() == Dtype.FLOAT64 ? 1e-10 : 1e-5);
    that(!reply.requestId().isEmpty(), "no request id");
    equal(reply.losses().dtype(), job.wanted());
  }

  private static void refused(Map<?, ?> each, Client client, Job job) throws Exception {
    Map<?, ?> problem = object(golden(each.get("name") + ".problem.json"));
    Refused error = thrown(Refused.class, () -> client.grad(job));
    equal((double) error.status(), each.get("status"));
    equal(error.detail(), problem.get("detail"));
    List<?> errors = problem.get("errors") instanceof List<?> list ? list : List.of();
    equal(error.errors().size(), errors.size());
    for (int i = 0; i < errors.size(); i++) {
      equal(error.errors().get(i).pointer(), object(errors.get(i)).get("pointer"));
    }
  }

  private static void nan(Form form) throws Exception {
    String name = form == Form.JSON ? "nan" : "nan_tensor";
    Job job = Job.of(new float[][] {{2.0f, Float.NaN, -1.0f}, {0.1f, 1.2f, 3.0f}}).labels(new int[][] {{0}, {1, 2}});
    for (Client client : new Client[] {Environment.faulty("golden/" + name, form).build(), Environment.live(form)}) {
      Refused error = thrown(Refused.class, () -> client.grad(job));
      equal(error.status(), 422);
      equal(error.detail(), object(golden(name + ".problem.json")).get("detail"));
      matches(error.getMessage(), "NaN|finite");
    }
  }

  private static void minusInfinity() {
    Job job = Job.of(new double[][] {{2.0, Double.NEGATIVE_INFINITY, -1.0}, {0.1, 1.2, 3.0}}).labels(new int[][] {{0}, {1, 2}});
    for (Client client : new Client[] {Environment.faulty("golden/minus_infinity", Form.BINARY).build(), Environment.live(Form.BINARY)}) {
      equal(client.grad(job).grad().get(1), 0.0);
    }
    equal(thrown(Refused.class, () -> Environment.live(Form.JSON).grad(job)).status(), 422);
  }
}
