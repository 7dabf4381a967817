package gradwire;

import java.lang.reflect.Array;
import java.util.Iterator;
import java.util.Map;

/** JSON, but with the bare tokens NaN and Infinity: whatever is given is written down, and every number reads back as itself. */
final class JsonWriter {
  private static final int DEEPEST = 64;
  private final StringBuilder text = new StringBuilder();

  /** Throws IllegalArgumentException for what JSON has no form for. */
  static String write(Object value) {
    JsonWriter writer = new JsonWriter();
    writer.put(value, 0);
    return writer.text.toString();
  }

  private void put(Object value, int depth) {
    if (depth > DEEPEST) {
      throw new IllegalArgumentException("a value of a job is nested deeper than " + DEEPEST);
    }
    if (value == null || value instanceof Boolean) {
      text.append(value);
    } else if (value instanceof Number number) {
      text.append(number instanceof Float single ? String.valueOf(single.doubleValue()) : number.toString());
    } else if (value instanceof CharSequence || value instanceof Enum<?>) {
      string(value.toString());
    } else if (value instanceof Map<?, ?> map) {
      object(map, depth);
    } else if (value instanceof Iterable<?> list) {
      elements(list.iterator(), depth);
    } else if (value.getClass().isArray()) {
      elements(iterator(value), depth);
    } else {
      throw new IllegalArgumentException("JSON has no form for " + value.getClass().getName() + "; numbers, strings, booleans, lists and maps can be sent");
    }
  }

  private void object(Map<?, ?> map, int depth) {
    text.append('{');
    String separator = "";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      text.append(separator);
      string(String.valueOf(entry.getKey()));
      text.append(':');
      put(entry.getValue(), depth + 1);
      separator = ",";
    }
    text.append('}');
  }

  private void elements(Iterator<?> elements, int depth) {
    text.append('[');
    while (elements.hasNext()) {
      put(elements.next(), depth + 1);
      if (elements.hasNext()) {
        text.append(',');
      }
    }
    text.append(']');
  }

  private static Iterator<?> iterator(Object array) {
    return java.util.stream.IntStream.range(0, Array.getLength(array)).mapToObj(i -> Array.get(array, i)).iterator();
  }

  private void string(String value) {
    text.append('"');
    for (int i = 0; i < value.length(); i++) {
      char each = value.charAt(i);
      if (each == '"' || each == '\\') {
        text.append('\\').append(each);
      } else if (each < ' ' || Character.isSurrogate(each)) {
        text.append(String.format("\\u%04x", (int) each));
      } else {
        text.append(each);
      }
    }
    text.append('"');
  }
}
