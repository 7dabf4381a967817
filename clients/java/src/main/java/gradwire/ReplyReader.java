package gradwire;

import gradwire.GradwireException.BadReply;
import gradwire.GradwireException.FieldError;
import gradwire.GradwireException.Refused;
import gradwire.JsonReader.Malformed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** An answer as a reply, checked before it is believed. */
final class ReplyReader {
  private static final String PROBLEM = "application/problem+json";
  private final String address;
  private final Form form;
  private final Job job;

  /** `job` is what was asked in this form. */
  ReplyReader(String address, Form form, Job job) {
    this.address = address;
    this.form = form;
    this.job = job;
  }

  /** Throws Refused or BadReply. */
  Reply loss(Answer answer) {
    return new Reply(losses(tensors(answer)), answer.requestId());
  }

  /** Throws Refused or BadReply. */
  GradReply grad(Answer answer) {
    Map<String, Tensor> tensors = tensors(answer);
    Tensor losses = losses(tensors);
    Tensor grad = tensors.get("grad");
    if (grad == null || !Arrays.equals(grad.shape(), shape())) {
      throw bad("a grad " + of(grad), "the shape " + Arrays.toString(shape()) + " of the scores");
    }
    return new GradReply(losses, grad, answer.requestId());
  }

  private Tensor losses(Map<String, Tensor> tensors) {
    Tensor losses = tensors.get("loss");
    if (losses == null || !isLossShape(losses.shape())) {
      throw bad("a loss " + of(losses), job.isReduced() ? "a number" : "a loss a row, or one an element");
    }
    return losses;
  }

  /** Unreduced, a loss has its own unit: the batch, a row, or an element. */
  private boolean isLossShape(int[] found) {
    return job.isReduced() ? found.length == 0 : found.length <= 2 && Arrays.equals(found, Arrays.copyOf(shape(), found.length));
  }

  /** [N, C] of the scores. */
  private int[] shape() {
    Object scores = job.fields().get("scores");
    return scores instanceof Tensor tensor ? tensor.shape() : new int[] {((Object[]) scores).length, Tensor.columns((Object[]) scores)};
  }

  private static String of(Tensor tensor) {
    return tensor == null ? "that is missing" : "of shape " + Arrays.toString(tensor.shape());
  }

  private Map<String, Tensor> tensors(Answer answer) {
    if (answer.status() != 200) {
      Refused refused = refusal(answer);
      throw refused != null ? refused : bad(answer.kind(), "200, or a refusal as " + PROBLEM);
    }
    if (!answer.mediaType().equals(form.mediaType)) {
      throw bad(answer.kind(), form.mediaType);
    }
    try {
      return form == Form.JSON ? fromJson(answer.body()) : fromTensors(answer.body());
    } catch (Malformed error) {
      throw bad(error.getMessage(), form == Form.JSON ? "a JSON object with finite numbers" : "safetensors of " + job.wanted().word);
    }
  }

  private BadReply bad(String found, String expected) {
    return new BadReply(address, found, expected);
  }

  private Map<String, Tensor> fromTensors(byte[] body) throws Malformed {
    Map<String, Tensor> tensors = new HashMap<>();
    for (var entry : Safetensors.unpack(body).entrySet()) {
      if (entry.getKey().equals("loss") || entry.getKey().equals("grad")) {
        tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue()));
      }
    }
    return tensors;
  }

  private Tensor tensor(String name, Safetensors.Found found) throws Malformed {
    Dtype wanted = job.wanted();
    int bytes = found.numbers().remaining();
    if (!found.dtype().equals(wanted.tensorWord)) {
      throw new Malformed("'" + name + "' as " + found.dtype());
    }
    if (bytes % wanted.bytes != 0 || !fills(bytes / wanted.bytes, found.shape())) {
      throw new Malformed("'" + name + "' with " + bytes + " bytes for " + found.dtype() + " " + Arrays.toString(found.shape()));
    }
    if (wanted == Dtype.FLOAT32) {
      float[] floats = new float[bytes / wanted.bytes];
      found.numbers().asFloatBuffer().get(floats);
      return Tensor.of(floats, found.shape());
    }
    double[] doubles = new double[bytes / wanted.bytes];
    found.numbers().asDoubleBuffer().get(doubles);
    return Tensor.of(doubles, found.shape());
  }

  private static boolean fills(int length, int[] shape) {
    try {
      return length == Tensor.size(shape);
    } catch (ArithmeticException tooMany) {
      return false;
    }
  }

  private Map<String, Tensor> fromJson(byte[] body) throws Malformed {
    Object found = JsonReader.read(Safetensors.utf8(body, 0, body.length));
    if (!(found instanceof Map<?, ?> members)) {
      throw new Malformed(Brief.of(found));
    }
    Map<String, Tensor> tensors = new HashMap<>();
    for (String name : List.of("loss", "grad")) {
      if (members.containsKey(name)) {
        tensors.put(name, tensor(name, members.get(name)));
      }
    }
    return tensors;
  }

  private Tensor tensor(String name, Object value) throws Malformed {
    List<?> rows = value instanceof List<?> list ? list : List.of();
    List<Integer> shape = new ArrayList<>(value instanceof List<?> ? List.of(rows.size()) : List.of());
    List<Object> flat = new ArrayList<>(rows);
    if (!rows.isEmpty() && rows.get(0) instanceof List<?> first) {
      shape.add(first.size());
      flat.clear();
      for (Object row : rows) {
        flat.addAll(row instanceof List<?> list && list.size() == first.size() ? list : List.of("ragged"));
      }
    }
    double[] numbers = finite(name, value, value instanceof List<?> ? flat : Arrays.asList(value));
    Tensor wide = Tensor.of(numbers, shape.stream().mapToInt(Integer::intValue).toArray());
    return job.wanted() == Dtype.FLOAT64 ? wide : Tensor.of(wide.floats(), wide.shape());
  }

  private static double[] finite(String name, Object value, List<?> numbers) throws Malformed {
    if (!numbers.stream().allMatch(each -> each instanceof Double number && Double.isFinite(number))) {
      throw new Malformed(Brief.of(value) + " for '" + name + "'");
    }
    return numbers.stream().mapToDouble(each -> (Double) each).toArray();
  }

  /** The problem that was answered; null if it is none. */
  private static Refused refusal(Answer answer) {
    try {
      boolean isProblem = answer.mediaType().equals(PROBLEM) && answer.status() >= 400;
      Object found = isProblem ? JsonReader.read(Safetensors.utf8(answer.body(), 0, answer.body().length)) : null;
      if (!(found instanceof Map<?, ?> problem && problem.get("detail") instanceof String detail)) {
        return null;
      }
      String title = problem.get("title") instanceof String text ? text : "";
      return new Refused(answer.status(), title, detail, fieldErrors(problem.get("errors")), answer.retryAfter(), answer.requestId());
    } catch (Malformed noProblem) {
      return null;
    }
  }

  private static List<FieldError> fieldErrors(Object errors) {
    List<FieldError> found = new ArrayList<>();
    for (Object each : errors instanceof List<?> list ? list : List.of()) {
      if (each instanceof Map<?, ?> error && error.get("pointer") instanceof String pointer && error.get("detail") instanceof String detail) {
        found.add(new FieldError(pointer, detail));
      }
    }
    return found;
  }
}
