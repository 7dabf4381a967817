import gradwire.Client;
import gradwire.Dtype;
import gradwire.Form;
import gradwire.GradReply;
import gradwire.GradwireException;
import gradwire.Job;
import gradwire.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** The training of ../README.md: loss and gradient come from gradwire, everything else is here. */
public final class Train {
  private final Options options;
  private final Client client;
  private final Dtype dtype;
  private final double rate;
  private final Data data;
  private final Generator generator;
  private final Layer first;
  private final Layer second;
  private int requests;
  private double loss; // of the last epoch

  private Train(Options options) throws IOException {
    this.options = options;
    client = Client.builder(options.text("url")).form(Form.valueOf(upper(options.word("form", "binary", "json")))).build();
    dtype = Dtype.valueOf(upper(options.word("dtype", "float64", "float32")));
    rate = options.number("rate");
    data = Data.read(Path.of(options.text("data")));
    generator = new Generator(options.whole("seed", 0));
    int hidden = options.whole("hidden", 1);
    first = new Layer(data.inputs(), hidden, generator);
    second = new Layer(hidden, data.classes(), generator);
  }

  private static String upper(String word) {
    return word.toUpperCase(Locale.ROOT);
  }

  private void epochs() {
    int batch = options.whole("batch", 1);
    int[] order = IntStream.range(0, data.features().length).toArray();
    for (int epoch = options.whole("epochs", 1); epoch > 0; epoch--) {
      generator.shuffle(order);
      double total = 0;
      for (int start = 0; start < order.length; start += batch) {
        int[] rows = Arrays.copyOfRange(order, start, Math.min(start + batch, order.length));
        total += rows.length * step(rows);
      }
      loss = total / order.length;
    }
  }

  /** One batch: forward, the service, backward, descend. Returns the batch's loss. */
  private double step(int[] rows) {
    double[] x = Arrays.stream(rows).mapToObj(row -> data.features()[row]).flatMapToDouble(Arrays::stream).toArray();
    double[] hidden = Arrays.stream(first.forward(x)).map(each -> Math.max(each, 0)).toArray();
    GradReply reply = ask(second.forward(hidden), Arrays.stream(rows).mapToObj(row -> data.labels()[row]).toArray(int[][]::new));
    double[] below = second.backward(hidden, reply.grad().doubles());
    for (int k = 0; k < below.length; k++) {
      below[k] = hidden[k] > 0 ? below[k] : 0;
    }
    first.backward(x, below);
    first.descend(rate);
    second.descend(rate);
    return reply.loss();
  }

  /** The service's part: scores [N, C] and labels of the batch -> its loss, and the gradient [N, C]. */
  private GradReply ask(double[] scores, int[][] labels) {
    requests++;
    Tensor wide = Tensor.of(scores, labels.length, data.classes());
    Tensor tensor = dtype == Dtype.FLOAT64 ? wide : Tensor.of(wide.floats(), wide.shape());
    return client.grad(Job.of(tensor).labels(labels).loss(options.text("loss")).runtime(options.text("runtime")));
  }

  private void write(double seconds) throws IOException {
    double[] weights = DoubleStream.concat(first.parameters(), second.parameters()).toArray();
    List<String> lines = new ArrayList<>(List.of("seconds " + seconds, "requests " + requests, "loss " + digits(loss), "weights " + weights.length));
    Arrays.stream(weights).mapToObj(Train::digits).forEach(lines::add);
    Files.write(Path.of(options.text("out")), lines);
  }

  private static String digits(double value) {
    return String.format(Locale.ROOT, "%.16e", value);
  }

  /** See ../README.md. */
  public static void main(String[] args) {
    try {
      Train train = new Train(new Options(List.of(args)));
      long began = System.nanoTime();
      train.epochs();
      train.write((System.nanoTime() - began) / 1e9);
    } catch (NoSuchFileException error) {
      fail("no such file: " + error.getFile());
    } catch (IOException | IllegalArgumentException | GradwireException error) {
      fail(error.getMessage());
    }
  }

  private static void fail(String message) {
    System.err.println(message.replace("\n", "; "));
    System.exit(1);
  }
}
