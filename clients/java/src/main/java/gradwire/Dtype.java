package gradwire;

/** A precision. */
public enum Dtype {
  FLOAT32("float32", "F32", Float.BYTES),
  FLOAT64("float64", "F64", Double.BYTES);

  /** Its name in a job, and in the header of a tensor. */
  final String word;
  final String tensorWord;
  final int bytes;

  Dtype(String word, String tensorWord, int bytes) {
    this.word = word;
    this.tensorWord = tensorWord;
    this.bytes = bytes;
  }
}
