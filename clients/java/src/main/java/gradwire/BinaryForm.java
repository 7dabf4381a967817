package gradwire;

import gradwire.Safetensors.Part;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A job as safetensors, where that form can hold it so that the service would see what is wrong with it. */
final class BinaryForm {
  private final Job job;
  private final Map<String, Part> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  private BinaryForm(Job job) {
    this.job = job;
  }

  /** null: this form cannot hold the job. */
  static byte[] write(Job job) {
    BinaryForm form = new BinaryForm(job);
    return job.fields().entrySet().stream().allMatch(each -> form.put(each.getKey(), each.getValue())) ? Safetensors.pack(form.tensors, form.metadata) : null;
  }

  private boolean put(String name, Object value) {
    if (value instanceof Dtype dtype) {
      return dtype == job.stored() || text(name, dtype.word);
    }
    return switch (name) {
      case "reduction" -> text(name, ((Reduction) value).word);
      case "params" -> text(name, JsonWriter.write(value));
      case "labels" -> value instanceof int[][] rows ? lists(rows) : integers(name, (int[]) value);
      case "label_weights" -> isNestedLikeLabels(value) && weights(value);
      case "mask" -> mask((boolean[][]) value);
      default -> other(name, value);
    };
  }

  private boolean other(String name, Object value) {
    if (value instanceof Double number) {
      return Double.isFinite(number) && text(name, number.toString());
    }
    if (value instanceof float[] floats) {
      return tensor(name, Tensor.of(floats, floats.length));
    }
    if (value instanceof double[] doubles) {
      return tensor(name, Tensor.of(doubles, doubles.length));
    }
    if (value instanceof Object[] rows) {
      return tensor(name, Tensor.rectangular(rows));
    }
    return value instanceof Tensor tensor ? tensor(name, tensor) : text(name, value.toString());
  }

  private boolean text(String name, String value) {
    metadata.put(name, value);
    return true;
  }

  private boolean tensor(String name, Tensor tensor) {
    if (tensor == null) {
      return false;
    }
    List<Integer> shape = Arrays.stream(tensor.shape()).boxed().toList();
    Consumer<ByteBuffer> numbers = tensor.dtype() == Dtype.FLOAT32
        ? body -> { body.asFloatBuffer().put(tensor.floats()); body.position(body.position() + Float.BYTES * tensor.length()); }
        : body -> { body.asDoubleBuffer().put(tensor.doubles()); body.position(body.position() + Double.BYTES * tensor.length()); };
    tensors.put(name, new Part(tensor.dtype().tensorWord, tensor.dtype().bytes, shape, numbers));
    return true;
  }

  /** int64 [L]. */
  private boolean integers(String name, int[] values) {
    tensors.put(name, new Part("I64", Long.BYTES, List.of(values.length), body -> Arrays.stream(values).forEach(body::putLong)));
    return true;
  }

  /** Labels one after another, and where each row's begin. */
  private boolean lists(int[][] rows) {
    if (Arrays.stream(rows).anyMatch(row -> row == null)) {
      return false;
    }
    int[] offsets = new int[rows.length + 1];
    for (int n = 0; n < rows.length; n++) {
      offsets[n + 1] = offsets[n] + rows[n].length;
    }
    return integers("labels", Arrays.stream(rows).flatMapToInt(Arrays::stream).toArray()) && integers("label_offsets", offsets);
  }

  /** Weights go along with the labels one by one, so a row too short would shift the others. */
  private boolean isNestedLikeLabels(Object weights) {
    if (!(job.fields().get("labels") instanceof int[][] labels)) {
      return !(weights instanceof Object[]) && job.fields().get("labels") instanceof int[] each && each.length == java.lang.reflect.Array.getLength(weights);
    }
    if (!(weights instanceof Object[] rows) || rows.length != labels.length) {
      return false;
    }
    for (int n = 0; n < rows.length; n++) {
      if (rows[n] == null || labels[n] == null || java.lang.reflect.Array.getLength(rows[n]) != labels[n].length) {
        return false;
      }
    }
    return true;
  }

  private boolean weights(Object value) {
    if (value instanceof double[][] rows) {
      return other("label_weights", Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray());
    }
    if (!(value instanceof float[][] rows)) {
      return other("label_weights", value);
    }
    float[] flat = new float[Arrays.stream(rows).mapToInt(row -> row.length).sum()];
    int end = 0;
    for (float[] row : rows) {
      System.arraycopy(row, 0, flat, end, row.length);
      end += row.length;
    }
    return other("label_weights", flat);
  }

  private boolean mask(boolean[][] rows) {
    if (!Tensor.isRectangular(rows)) {
      return false;
    }
    Consumer<ByteBuffer> numbers = body -> {
      for (boolean[] row : rows) {
        for (boolean each : row) {
          body.put((byte) (each ? 1 : 0));
        }
      }
    };
    tensors.put("mask", new Part("BOOL", 1, List.of(rows.length, Tensor.columns(rows)), numbers));
    return true;
  }
}
