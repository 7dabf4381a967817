package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.matches;
import static gradwire.Checks.near;
import static gradwire.Environment.object;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The example as a user runs it. */
final class ExampleTest {
  private record Run(int status, String said, String complained) {}

  private ExampleTest() {}

  static void run(Checks checks) {
    checks.check("the example prints the loss and the gradient, row by row", ExampleTest::prints);
    checks.check("the example prints an error, and fails", ExampleTest::fails);
  }

  private static Run example(String url) throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    ProcessBuilder builder = new ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), "TenLines");
    builder.environment().put("GRADWIRE_URL", url);
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String complained = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Run(process.waitFor(), said, complained);
  }

  private static void prints() throws Exception {
    Run run = example(Environment.LIVE);
    equal(run.status, 0);
    List<double[]> lines = new ArrayList<>();
    for (String line : run.said.strip().split("\n")) {
      lines.add(Arrays.stream(line.replaceAll("[\\[\\]]", "").split(", ")).mapToDouble(Double::parseDouble).toArray());
    }
    var expected = object(Environment.golden("softmax.reply.json"));
    near(lines.get(0), JobOfCase.leaves(expected.get("loss")), 1e-6);
    List<?> rows = (List<?>) expected.get("grad");
    equal(lines.size(), rows.size() + 1);
    for (int n = 0; n < rows.size(); n++) {
      near(lines.get(n + 1), JobOfCase.leaves(rows.get(n)), 1e-6);
    }
  }

  private static void fails() throws Exception {
    Run run = example("http://127.0.0.1:9");
    equal(run.status, 1);
    equal(run.said, "");
    matches(run.complained, "no service answers at http://127.0.0.1:9/grad");
  }
}
