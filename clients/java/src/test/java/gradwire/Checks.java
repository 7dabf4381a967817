package gradwire;

import java.util.Objects;

/** Runs checks one by one, and counts them. */
final class Checks {
  private int passed;
  private int failed;

  /** What a check does. */
  interface Body {
    void run() throws Exception;
  }

  /** A check that failed. */
  static final class Failure extends Error {
    private static final long serialVersionUID = 1;

    Failure(String what) {
      super(what);
    }
  }

  void check(String name, Body body) {
    try {
      body.run();
      passed++;
    } catch (Throwable error) {
      failed++;
      System.out.println("FAILED: " + name);
      error.printStackTrace(System.out);
    }
  }

  int passed() {
    return passed;
  }

  int failed() {
    return failed;
  }

  static void that(boolean holds, String what) {
    if (!holds) {
      throw new Failure(what);
    }
  }

  static void equal(Object found, Object expected) {
    that(Objects.equals(found, expected), "found " + found + ", expected " + expected);
  }

  static void matches(String text, String pattern) {
    that(java.util.regex.Pattern.compile(pattern, java.util.regex.Pattern.DOTALL).matcher(text).find(), "found '" + text + "', expected " + pattern);
  }

  /** What the body throws, which must be of this class. */
  static <E extends Throwable> E thrown(Class<E> kind, Body body) {
    try {
      body.run();
    } catch (Throwable error) {
      if (kind.isInstance(error)) {
        return kind.cast(error);
      }
      throw new AssertionError("expected " + kind.getSimpleName(), error);
    }
    throw new Failure("nothing was thrown; expected " + kind.getSimpleName());
  }

  /** Number by number; tolerance 0: equal. */
  static void near(double[] found, double[] expected, double tolerance) {
    equal(found.length, expected.length);
    for (int i = 0; i < found.length; i++) {
      that(Math.abs(found[i] - expected[i]) <= tolerance * Math.max(1, Math.abs(expected[i])), "number " + i + ": found " + found[i] + ", expected " + expected[i]);
    }
  }
}
