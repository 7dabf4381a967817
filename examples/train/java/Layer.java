import java.util.Arrays;
import java.util.stream.DoubleStream;

/** outputs = W·inputs + b, with its gradients and plain SGD. Matrices lie row by row. */
final class Layer {
  private final int inputs;
  private final int outputs;
  private final double[] weight;
  private final double[] bias;
  private final double[] weightGrad;
  private final double[] biasGrad;

  /** weight [out][in] row by row, then bias [out], each (x / 2³¹ − 1) / √in with the next x. */
  Layer(int inputs, int outputs, Generator generator) {
    this.inputs = inputs;
    this.outputs = outputs;
    weight = drawn(inputs * outputs, generator);
    bias = drawn(outputs, generator);
    weightGrad = new double[weight.length];
    biasGrad = new double[outputs];
  }

  private double[] drawn(int count, Generator generator) {
    double[] numbers = new double[count];
    Arrays.setAll(numbers, k -> (generator.next() / 2147483648.0 - 1) / Math.sqrt(inputs));
    return numbers;
  }

  /** x [N, inputs] -> [N, outputs]. */
  double[] forward(double[] x) {
    double[] y = new double[x.length / inputs * outputs];
    for (int at = 0; at < y.length; at++) {
      int row = at / outputs * inputs;
      int o = at % outputs;
      double sum = bias[o];
      for (int i = 0; i < inputs; i++) {
        sum += weight[o * inputs + i] * x[row + i];
      }
      y[at] = sum;
    }
    return y;
  }

  /** x [N, inputs] and d loss / d outputs [N, outputs] -> d loss / d x; keeps the gradients for `descend`. */
  double[] backward(double[] x, double[] above) {
    Arrays.fill(weightGrad, 0);
    Arrays.fill(biasGrad, 0);
    double[] below = new double[x.length];
    for (int at = 0; at < above.length; at++) {
      int row = at / outputs * inputs;
      int o = at % outputs;
      biasGrad[o] += above[at];
      for (int i = 0; i < inputs; i++) {
        weightGrad[o * inputs + i] += above[at] * x[row + i];
        below[row + i] += above[at] * weight[o * inputs + i];
      }
    }
    return below;
  }

  /** parameter −= rate · gradient. */
  void descend(double rate) {
    for (int k = 0; k < weight.length; k++) {
      weight[k] -= rate * weightGrad[k];
    }
    for (int k = 0; k < bias.length; k++) {
      bias[k] -= rate * biasGrad[k];
    }
  }

  /** The weight, and then the bias. */
  DoubleStream parameters() {
    return DoubleStream.concat(Arrays.stream(weight), Arrays.stream(bias));
  }
}
