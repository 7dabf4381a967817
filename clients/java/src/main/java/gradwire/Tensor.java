package gradwire;

import java.util.Arrays;
import java.util.Objects;

/** Numbers of float32 or float64 with a shape, row by row. The array is not copied: leave it alone while it is used. */
public final class Tensor {
  private final Object data; // float[] or double[]
  private final int length;
  private final int[] shape;

  private Tensor(Object data, int length, int[] shape) {
    this.data = data;
    this.length = length;
    this.shape = shape.clone();
    if (length != size(shape)) {
      throw new IllegalArgumentException(length + " numbers do not fill the shape " + Arrays.toString(shape) + ", which holds " + size(shape));
    }
  }

  /** Throws IllegalArgumentException if the data do not fill the shape. */
  public static Tensor of(float[] data, int... shape) {
    return new Tensor(data, data.length, shape);
  }

  /** Throws IllegalArgumentException if the data do not fill the shape. */
  public static Tensor of(double[] data, int... shape) {
    return new Tensor(data, data.length, shape);
  }

  /** The sizes, outermost first; empty for a single number. */
  public int[] shape() {
    return shape.clone();
  }

  /** What the numbers are stored as. */
  public Dtype dtype() {
    return data instanceof float[] ? Dtype.FLOAT32 : Dtype.FLOAT64;
  }

  /** How many numbers there are. */
  public int length() {
    return length;
  }

  /** The number at this place, counted row by row. */
  public double get(int index) {
    return data instanceof float[] floats ? floats[index] : ((double[]) data)[index];
  }

  /** All numbers: the array itself where they are float32, else rounded copies. */
  public float[] floats() {
    if (data instanceof float[] floats) {
      return floats;
    }
    float[] rounded = new float[length];
    for (int i = 0; i < length; i++) {
      rounded[i] = (float) get(i);
    }
    return rounded;
  }

  /** All numbers: the array itself where they are float64, else copies. */
  public double[] doubles() {
    if (data instanceof double[] doubles) {
      return doubles;
    }
    double[] widened = new double[length];
    Arrays.setAll(widened, this::get);
    return widened;
  }

  /** The rows of a matrix, copied. Throws IllegalStateException if this is none. */
  public float[][] floatRows() {
    float[] all = floats();
    float[][] rows = new float[rows()][];
    Arrays.setAll(rows, n -> Arrays.copyOfRange(all, n * shape[1], (n + 1) * shape[1]));
    return rows;
  }

  /** The rows of a matrix, copied. Throws IllegalStateException if this is none. */
  public double[][] doubleRows() {
    double[] all = doubles();
    double[][] rows = new double[rows()][];
    Arrays.setAll(rows, n -> Arrays.copyOfRange(all, n * shape[1], (n + 1) * shape[1]));
    return rows;
  }

  private int rows() {
    if (shape.length != 2) {
      throw new IllegalStateException("a tensor of shape " + Arrays.toString(shape) + " has no rows and columns");
    }
    return shape[0];
  }

  static long size(int[] shape) {
    long size = 1;
    for (int each : shape) {
      size = Math.multiplyExact(size, (long) each);
    }
    return size;
  }

  /** Rows of one length as a tensor; null where they are ragged or missing. */
  static Tensor rectangular(Object rows) {
    if (rows instanceof float[][] matrix && isRectangular(matrix)) {
      float[] flat = new float[Math.multiplyExact(matrix.length, columns(matrix))];
      copy(matrix, flat);
      return of(flat, matrix.length, columns(matrix));
    }
    if (rows instanceof double[][] matrix && isRectangular(matrix)) {
      double[] flat = new double[Math.multiplyExact(matrix.length, columns(matrix))];
      copy(matrix, flat);
      return of(flat, matrix.length, columns(matrix));
    }
    return null;
  }

  static boolean isRectangular(Object[] rows) {
    return Arrays.stream(rows).allMatch(row -> row != null && java.lang.reflect.Array.getLength(row) == columns(rows));
  }

  static int columns(Object[] rows) {
    return rows.length == 0 || rows[0] == null ? 0 : java.lang.reflect.Array.getLength(rows[0]);
  }

  private static void copy(Object[] rows, Object flat) {
    int columns = columns(rows);
    for (int n = 0; n < rows.length; n++) {
      System.arraycopy(Objects.requireNonNull(rows[n]), 0, flat, n * columns, columns);
    }
  }
}
