package gradwire;

import static gradwire.Checks.equal;
import static gradwire.Checks.that;
import static gradwire.Checks.thrown;

import gradwire.JsonReader.Malformed;
import gradwire.Safetensors.Part;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How numbers are written and read: exactly. */
final class FormTest {
  private static final double[] AWKWARD = {0.1, -0.0, Double.MIN_VALUE, Double.MAX_VALUE, 123456789.123456789, 1.0 / 3, 1e21, 1e-7, -2.5e-10, 2e-3};

  private FormTest() {}

  static void run(Checks checks) {
    checks.check("every float64 reads back as itself", FormTest::exact);
    checks.check("a float32 is widened, not rounded", () -> equal(JsonWriter.write(new float[] {0.1f}), "[0.10000000149011612]"));
    checks.check("NaN and infinities are bare tokens", () -> equal(JsonWriter.write(new double[][] {{Double.NaN, 1 / 0.0, -1 / 0.0}}), "[[NaN,Infinity,-Infinity]]"));
    checks.check("values of every kind", FormTest::kinds);
    checks.check("the precision is said in JSON", FormTest::precision);
    checks.check("JSON of every kind is read", FormTest::read);
    checks.check("what is no JSON is refused, with its place", FormTest::malformed);
    checks.check("depth is bounded", FormTest::depth);
    checks.check("a header that lies is refused", FormTest::lies);
  }

  private static void exact() throws Malformed {
    List<?> found = (List<?>) JsonReader.read(JsonWriter.write(AWKWARD));
    for (int i = 0; i < AWKWARD.length; i++) {
      equal(found.get(i), AWKWARD[i]);
    }
  }

  private static void kinds() {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("a\"\\\n", Arrays.asList(1, 2L, new BigDecimal("1E+3"), true, null));
    value.put("é", Map.of());
    value.put("\ud83d\ude00", "x");
    equal(JsonWriter.write(value), "{\"a\\\"\\\\\\u000a\":[1,2,1E+3,true,null],\"é\":{},\"\\ud83d\\ude00\":\"x\"}");
  }

  private static void precision() {
    equal(text(Job.of(new float[][] {{1, 2}})), "{\"scores\":[[1.0,2.0]]}");
    equal(text(Job.of(Tensor.of(new double[] {1, 2}, 2, 1)).labels(new int[] {0, 0})), "{\"scores\":[[1.0],[2.0]],\"labels\":[0,0],\"dtype\":\"float64\"}");
    equal(text(Job.of(new double[][] {{1}}).dtype(Dtype.FLOAT32)), "{\"scores\":[[1.0]],\"dtype\":\"float32\"}");
  }

  private static String text(Job job) {
    return new String(JsonForm.write(job), StandardCharsets.UTF_8);
  }

  private static void read() throws Malformed {
    Object found = JsonReader.read(" {\"a\" : [1, -2.5e+1, 0, -0.0, 1E2], \"b\\u00e9\\n\\/\": {\"c\": null, \"d\": [true, false, []]}, \"e\": {}} ");
    equal(found.toString(), "{a=[1.0, -25.0, 0.0, -0.0, 100.0], bé\n/={c=null, d=[true, false, []]}, e={}}");
  }

  private static void malformed() {
    for (String text : List.of("", " ", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "+1", ".5", "1.", "1e", "-", "NaN", "Infinity", "tru", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"a\nb\"", "1 2", "[", "]", "0x10", "1d", "\u0000")) {
      thrown(Malformed.class, () -> JsonReader.read(text));
    }
  }

  private static void depth() throws Malformed {
    JsonReader.read("[".repeat(64) + "]".repeat(64));
    thrown(Malformed.class, () -> JsonReader.read("[".repeat(1_000_000)));
  }

  private static void lies() throws Malformed {
    byte[] body = Safetensors.pack(Map.of("loss", new Part("F32", 4, List.of(1), numbers -> numbers.putFloat(7))), Map.of());
    equal(Safetensors.unpack(body).get("loss").numbers().getFloat(), 7f);
    String text = new String(body, StandardCharsets.ISO_8859_1);
    for (String[] each : new String[][] {{"[0,4]", "[0,9]"}, {"[0,4]", "[4,0]"}, {"[1]", "[x]"}, {"\"F32\"", "32222"}, {"[0,4]", "[0.5]"}, {"{", "["}, {"[0,4]", "[0,4"}}) {
      that(text.contains(each[0]), each[0] + " is not there");
      thrown(Malformed.class, () -> Safetensors.unpack(text.replace(each[0], each[1]).getBytes(StandardCharsets.ISO_8859_1)));
    }
    thrown(Malformed.class, () -> Safetensors.unpack(Arrays.copyOf(body, 5)));
  }
}
