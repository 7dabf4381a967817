import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** features [rows][inputs], and of each row the indices of its labels. */
record Data(int inputs, int classes, double[][] features, int[][] labels) {

  /** A line `rows inputs classes`, then a line a row: its features, then a 0 or 1 a class. */
  static Data read(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file);
    double[] sizes = lines.isEmpty() ? new double[0] : numbers(lines.get(0), 3, file + ":1");
    boolean areCounts = sizes.length == 3 && Arrays.stream(sizes).allMatch(each -> each >= 1 && each == (int) each);
    if (!areCounts || lines.size() - 1 != (int) sizes[0]) {
      throw new IllegalArgumentException(file + ": it has " + lines.size() + " lines; expected 'rows inputs classes' and a line a row");
    }
    int inputs = (int) sizes[1];
    int classes = (int) sizes[2];
    double[][] features = new double[lines.size() - 1][];
    int[][] labels = new int[features.length][];
    for (int n = 0; n < features.length; n++) {
      String where = file + ":" + (n + 2);
      double[] row = numbers(lines.get(n + 1), inputs + classes, where);
      features[n] = Arrays.copyOf(row, inputs);
      labels[n] = indices(Arrays.copyOfRange(row, inputs, row.length), where);
    }
    return new Data(inputs, classes, features, labels);
  }

  private static double[] numbers(String line, int count, String where) {
    String otherwise = where + ": expected " + count + " numbers with a space between them";
    try {
      double[] numbers = Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
      if (numbers.length == count && Arrays.stream(numbers).allMatch(Double::isFinite)) {
        return numbers;
      }
    } catch (NumberFormatException error) {
      throw new IllegalArgumentException(otherwise, error);
    }
    throw new IllegalArgumentException(otherwise);
  }

  private static int[] indices(double[] row, String where) {
    if (!Arrays.stream(row).allMatch(each -> each == 0 || each == 1)) {
      throw new IllegalArgumentException(where + ": a label that is neither 0 nor 1");
    }
    return IntStream.range(0, row.length).filter(c -> row[c] == 1).toArray();
  }
}
