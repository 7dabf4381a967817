package gradwire;

/** A value in at most a line, for a message. */
final class Brief {
  private static final int LONGEST = 80;

  private Brief() {}

  static String of(Object value) {
    String text = value instanceof CharSequence ? "\"" + value + "\"" : String.valueOf(value);
    return text.length() <= LONGEST ? text : text.substring(0, LONGEST - 1) + "…";
  }
}
