package gradwire;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A golden case as a caller of this library would write it: of float or double arrays, as its dtype says. */
final class JobOfCase {
  private final Map<?, ?> fields;
  private final boolean asTensors;

  private JobOfCase(Map<?, ?> fields, boolean asTensors) {
    this.fields = fields;
    this.asTensors = asTensors;
  }

  /** Matrices become tensors, or nested arrays. */
  static Job of(Map<?, ?> fields, boolean asTensors) {
    return new JobOfCase(fields, asTensors).job();
  }

  private boolean isDouble() {
    return "float64".equals(fields.get("dtype"));
  }

  private Job job() {
    Object scores = fields.get("scores");
    Job job = asTensors ? Job.of(tensor(scores)) : isDouble() ? Job.of(doubles(scores)) : Job.of(floats(scores));
    for (Map.Entry<?, ?> each : fields.entrySet()) {
      job = with(job, (String) each.getKey(), each.getValue());
    }
    return job;
  }

  private Job with(Job job, String name, Object value) {
    return switch (name) {
      case "scores", "dtype" -> job;
      case "loss" -> job.loss((String) value);
      case "params" -> params(job, (Map<?, ?>) value);
      case "targets" -> asTensors ? job.targets(tensor(value)) : isDouble() ? job.targets(doubles(value)) : job.targets(floats(value));
      case "labels" -> ((List<?>) value).get(0) instanceof List ? job.labels(lists(value)) : job.labels(integers(value));
      case "label_weights" -> isDouble() ? job.labelWeights(doubles(value)) : job.labelWeights(floats(value));
      case "class_weight" -> isDouble() ? job.classWeight(leaves(value)) : job.classWeight(narrow(leaves(value)));
      case "sample_weight" -> isDouble() ? job.sampleWeight(leaves(value)) : job.sampleWeight(narrow(leaves(value)));
      case "pos_weight" -> posWeight(job, value);
      case "element_weight" -> isDouble() ? job.elementWeight(doubles(value)) : job.elementWeight(floats(value));
      case "mask" -> job.mask(booleans(value));
      case "ignore_index" -> job.ignoreIndex(((Double) value).longValue());
      case "reduction" -> job.reduction(Reduction.valueOf(((String) value).toUpperCase(java.util.Locale.ROOT)));
      case "mean_over" -> job.meanOver((String) value);
      case "grad_output" -> value instanceof Double number ? job.gradOutput(number) : job.gradOutput(tensor(value));
      case "runtime" -> job.runtime((String) value);
      default -> throw new IllegalArgumentException("no such field: " + name);
    };
  }

  private static Job params(Job job, Map<?, ?> params) {
    for (Map.Entry<?, ?> each : params.entrySet()) {
      job = job.param((String) each.getKey(), each.getValue());
    }
    return job;
  }

  private Job posWeight(Job job, Object value) {
    return value instanceof Double number ? job.posWeight(number) : isDouble() ? job.posWeight(leaves(value)) : job.posWeight(narrow(leaves(value)));
  }

  private Tensor tensor(Object value) {
    return isDouble() ? Tensor.of(leaves(value), shape(value)) : Tensor.of(narrow(leaves(value)), shape(value));
  }

  private static Stream<?> rows(Object value) {
    return ((List<?>) value).stream();
  }

  private static double[][] doubles(Object value) {
    return rows(value).map(JobOfCase::leaves).toArray(double[][]::new);
  }

  private static float[][] floats(Object value) {
    return rows(value).map(row -> narrow(leaves(row))).toArray(float[][]::new);
  }

  private static int[][] lists(Object value) {
    return rows(value).map(JobOfCase::integers).toArray(int[][]::new);
  }

  private static int[] integers(Object value) {
    return Arrays.stream(leaves(value)).mapToInt(each -> (int) each).toArray();
  }

  private static boolean[][] booleans(Object value) {
    double[][] numbers = rows(value).map(row -> rows(row).mapToDouble(each -> each.equals(true) || each.equals(1.0) ? 1 : 0).toArray()).toArray(double[][]::new);
    boolean[][] found = new boolean[numbers.length][];
    for (int n = 0; n < found.length; n++) {
      found[n] = new boolean[numbers[n].length];
      for (int c = 0; c < found[n].length; c++) {
        found[n][c] = numbers[n][c] == 1;
      }
    }
    return found;
  }

  private static float[] narrow(double[] numbers) {
    return Tensor.of(numbers, numbers.length).floats();
  }

  /** All numbers of nested lists, in their order. */
  static double[] leaves(Object value) {
    return value instanceof List<?> list ? list.stream().flatMapToDouble(each -> Arrays.stream(leaves(each))).toArray() : new double[] {(Double) value};
  }

  static int[] shape(Object value) {
    if (!(value instanceof List<?> list)) {
      return new int[0];
    }
    return list.get(0) instanceof List<?> row ? new int[] {list.size(), row.size()} : new int[] {list.size()};
  }
}
