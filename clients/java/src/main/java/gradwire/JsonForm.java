package gradwire;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** A job as JSON. Whatever it holds is written down, wrong or not, so that the service can say what is wrong with it. */
final class JsonForm {
  private JsonForm() {}

  static byte[] write(Job job) {
    Map<String, Object> members = new LinkedHashMap<>();
    job.fields().forEach((name, value) -> members.put(name, plain(value)));
    if (job.wanted() == Dtype.FLOAT64) {
      members.put("dtype", job.wanted().word);
    }
    return JsonWriter.write(members).getBytes(StandardCharsets.UTF_8);
  }

  private static Object plain(Object value) {
    if (value instanceof Reduction reduction) {
      return reduction.word;
    }
    if (value instanceof Dtype dtype) {
      return dtype.word;
    }
    return value instanceof Tensor tensor ? nested(tensor.doubles(), tensor.shape()) : value;
  }

  private static Object nested(double[] data, int[] shape) {
    if (shape.length == 0) {
      return data[0];
    }
    if (shape.length == 1) {
      return data;
    }
    int[] inner = Arrays.copyOfRange(shape, 1, shape.length);
    int step = data.length / Math.max(1, shape[0]);
    Object[] rows = new Object[shape[0]];
    Arrays.setAll(rows, n -> nested(Arrays.copyOfRange(data, n * step, (n + 1) * step), inner));
    return rows;
  }
}
