/** x -> (1664525·x + 1013904223) mod 2³². */
final class Generator {
  private long x;

  Generator(long seed) {
    x = seed & 0xffffffffL;
  }

  long next() {
    x = (1664525 * x + 1013904223) & 0xffffffffL;
    return x;
  }

  /** For i from the last row down to 1, rows i and j = ⌊x·(i+1) / 2³²⌋ change places. */
  void shuffle(int[] order) {
    for (int i = order.length - 1; i >= 1; i--) {
      int j = (int) (next() * (i + 1) >>> 32);
      int row = order[i];
      order[i] = order[j];
      order[j] = row;
    }
  }
}
