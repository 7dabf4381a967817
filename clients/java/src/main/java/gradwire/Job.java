package gradwire;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * One batch and what is asked of it: N rows (samples), C classes.
 *
 * <p>Every method gives back a new job and leaves this one as it is, so a job may be shared and varied. Arrays are not copied: leave them
 * alone while a call with them runs. What is not said is not sent, and the service has the defaults. Exactly one of {@code targets} and
 * {@code labels} is needed. The precision of the computation is that of the scores' type, unless {@link #dtype} says otherwise.
 */
public final class Job {
  private final Map<String, Object> fields;

  private Job(Map<String, Object> fields) {
    this.fields = fields;
  }

  /** scores [N][C]: raw scores (logits); -infinity masks a class (binary form only). */
  public static Job of(float[][] scores) {
    return new Job(Map.of()).with("scores", scores);
  }

  /** scores [N][C]: raw scores (logits); -infinity masks a class (binary form only). */
  public static Job of(double[][] scores) {
    return new Job(Map.of()).with("scores", scores);
  }

  /** scores [N, C]: raw scores (logits); -infinity masks a class (binary form only). */
  public static Job of(Tensor scores) {
    return new Job(Map.of()).with("scores", scores);
  }

  /** A name or alias of the catalogue, {@code GET /losses}; default softmax_cross_entropy. */
  public Job loss(String name) {
    return with("loss", name);
  }

  /** One of the loss's own parameters, such as {@code param("gamma", 1.5)}: a number, string, boolean or null. */
  public Job param(String name, Object value) {
    Map<String, Object> params = new LinkedHashMap<>();
    if (fields.get("params") instanceof Map<?, ?> earlier) {
      earlier.forEach((key, each) -> params.put((String) key, each));
    }
    params.put(name, value);
    return with("params", Collections.unmodifiableMap(params));
  }

  /** All of the loss's own parameters. */
  public Job params(Map<String, ?> params) {
    return with("params", Collections.unmodifiableMap(new LinkedHashMap<>(params)));
  }

  /** targets [N][C]: dense labels. */
  public Job targets(float[][] targets) {
    return with("targets", targets);
  }

  /** targets [N][C]: dense labels. */
  public Job targets(double[][] targets) {
    return with("targets", targets);
  }

  /** targets [N, C]: dense labels. */
  public Job targets(Tensor targets) {
    return with("targets", targets);
  }

  /** labels [N][]: the class indices of each row, from 0; a row may be empty. */
  public Job labels(int[][] labels) {
    return with("labels", labels);
  }

  /** labels [N]: one class index a row. */
  public Job labels(int[] labels) {
    return with("labels", labels);
  }

  /** Nested like the labels; default 1 for each. */
  public Job labelWeights(float[][] weights) {
    return with("label_weights", weights);
  }

  /** Nested like the labels; default 1 for each. */
  public Job labelWeights(double[][] weights) {
    return with("label_weights", weights);
  }

  /** One a row, for labels that are one a row. */
  public Job labelWeights(float[] weights) {
    return with("label_weights", weights);
  }

  /** One a row, for labels that are one a row. */
  public Job labelWeights(double[] weights) {
    return with("label_weights", weights);
  }

  /** weights [C]: multiplies each class's term. */
  public Job classWeight(float[] weights) {
    return with("class_weight", weights);
  }

  /** weights [C]: multiplies each class's term. */
  public Job classWeight(double[] weights) {
    return with("class_weight", weights);
  }

  /** Multiplies the term of the positives; element losses. */
  public Job posWeight(double weight) {
    return with("pos_weight", weight);
  }

  /** weights [C]: multiplies the term of each class's positives; element losses. */
  public Job posWeight(float[] weights) {
    return with("pos_weight", weights);
  }

  /** weights [C]: multiplies the term of each class's positives; element losses. */
  public Job posWeight(double[] weights) {
    return with("pos_weight", weights);
  }

  /** weights [N]: multiplies each row. */
  public Job sampleWeight(float[] weights) {
    return with("sample_weight", weights);
  }

  /** weights [N]: multiplies each row. */
  public Job sampleWeight(double[] weights) {
    return with("sample_weight", weights);
  }

  /** weights [N][C]: multiplies each element; element losses. */
  public Job elementWeight(float[][] weights) {
    return with("element_weight", weights);
  }

  /** weights [N][C]: multiplies each element; element losses. */
  public Job elementWeight(double[][] weights) {
    return with("element_weight", weights);
  }

  /** weights [N, C]: multiplies each element; element losses. */
  public Job elementWeight(Tensor weights) {
    return with("element_weight", weights);
  }

  /** mask [N][C]: false where a label is unknown; it adds neither loss nor gradient. */
  public Job mask(boolean[][] mask) {
    return with("mask", mask);
  }

  /** A row of labels that holds just this value is left out. */
  public Job ignoreIndex(long index) {
    return with("ignore_index", index);
  }

  /** Default mean. */
  public Job reduction(Reduction reduction) {
    return with("reduction", reduction);
  }

  /** What a mean divides by: rows, elements, weights, valid or positives; each loss has a default. */
  public Job meanOver(String what) {
    return with("mean_over", what);
  }

  /** The gradient from above; {@code Client.grad} only, default 1. */
  public Job gradOutput(double gradient) {
    return with("grad_output", gradient);
  }

  /** The gradient from above, of the unreduced loss's shape, with {@link Reduction#NONE}; {@code Client.grad} only. */
  public Job gradOutput(Tensor gradient) {
    return with("grad_output", gradient);
  }

  /** The precision of the computation and the reply; default: that of the scores' type. */
  public Job dtype(Dtype dtype) {
    return with("dtype", dtype);
  }

  /** pytorch or onnx. */
  public Job runtime(String runtime) {
    return with("runtime", runtime);
  }

  private Job with(String name, Object value) {
    Map<String, Object> more = new LinkedHashMap<>(fields);
    more.put(name, Objects.requireNonNull(value, name));
    return new Job(Collections.unmodifiableMap(more));
  }

  /** What was said, under the names of the wire. */
  Map<String, Object> fields() {
    return fields;
  }

  /** What the scores are stored as. */
  Dtype stored() {
    Object scores = fields.get("scores");
    return scores instanceof float[][] || scores instanceof Tensor tensor && tensor.dtype() == Dtype.FLOAT32 ? Dtype.FLOAT32 : Dtype.FLOAT64;
  }

  /** What the reply will be. */
  Dtype wanted() {
    return (Dtype) fields.getOrDefault("dtype", stored());
  }

  boolean isReduced() {
    return fields.get("reduction") != Reduction.NONE;
  }
}
