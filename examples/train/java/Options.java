import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The command line: `--name value`, each at most once. */
final class Options {
  private static final Map<String, String> DEFAULTS = Map.of(
      "loss", "softmax_cross_entropy", "dtype", "float64", "form", "binary", "runtime", "pytorch",
      "epochs", "20", "batch", "64", "hidden", "32", "rate", "0.1", "seed", "1");
  private static final Set<String> NEEDED = Set.of("url", "data", "out");
  private final Map<String, String> values = new HashMap<>(DEFAULTS);

  Options(List<String> words) {
    for (int at = 0; at < words.size(); at += 2) {
      String name = words.get(at).replaceFirst("^--", "");
      if (!words.get(at).startsWith("--") || !(DEFAULTS.containsKey(name) || NEEDED.contains(name))) {
        throw new IllegalArgumentException("unknown option '" + words.get(at) + "'");
      }
      if (at + 1 == words.size()) {
        throw new IllegalArgumentException("--" + name + " has no value");
      }
      values.put(name, words.get(at + 1));
    }
    NEEDED.stream().sorted().filter(name -> !values.containsKey(name)).findFirst().ifPresent(name -> {
      throw new IllegalArgumentException("--" + name + " is missing");
    });
  }

  String text(String name) {
    return values.get(name);
  }

  /** One of these words. */
  String word(String name, String... known) {
    if (!List.of(known).contains(text(name))) {
      throw new IllegalArgumentException("--" + name + " is '" + text(name) + "'; expected " + String.join(" or ", known));
    }
    return text(name);
  }

  /** A whole number from `least` on. */
  int whole(String name, int least) {
    double value = number(name);
    if (value != (int) value || value < least) {
      throw new IllegalArgumentException("--" + name + " is '" + text(name) + "'; expected a whole number from " + least + " on");
    }
    return (int) value;
  }

  double number(String name) {
    try {
      return Double.parseDouble(text(name));
    } catch (NumberFormatException error) {
      throw new IllegalArgumentException("--" + name + " is '" + text(name) + "'; expected a number", error);
    }
  }
}
