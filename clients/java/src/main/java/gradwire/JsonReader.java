package gradwire;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON (RFC 8259) as Map, List, String, Double, Boolean and null; nothing is nested deeper than a limit. */
final class JsonReader {
  private static final int DEEPEST = 64;
  private final String text;
  private int at;

  private JsonReader(String text) {
    this.text = text;
  }

  /** What is wrong with a text, and where. */
  static final class Malformed extends Exception {
    private static final long serialVersionUID = 1;

    Malformed(String what) {
      super(what);
    }
  }

  static Object read(String text) throws Malformed {
    JsonReader reader = new JsonReader(text);
    Object value = reader.value(0);
    reader.space();
    if (reader.at < text.length()) {
      throw reader.wrong("the end");
    }
    return value;
  }

  private Object value(int depth) throws Malformed {
    if (depth > DEEPEST) {
      throw new Malformed("JSON nested deeper than " + DEEPEST);
    }
    space();
    return switch (peek()) {
      case '{' -> object(depth);
      case '[' -> list(depth);
      case '"' -> string();
      case 't' -> word("true", true);
      case 'f' -> word("false", false);
      case 'n' -> word("null", null);
      default -> number();
    };
  }

  private Map<String, Object> object(int depth) throws Malformed {
    Map<String, Object> members = new LinkedHashMap<>();
    at++;
    for (boolean more = !closes('}'); more; more = continues('}')) {
      space();
      String name = string();
      space();
      expect(':');
      members.put(name, value(depth + 1));
    }
    return members;
  }

  private List<Object> list(int depth) throws Malformed {
    List<Object> elements = new ArrayList<>();
    at++;
    for (boolean more = !closes(']'); more; more = continues(']')) {
      elements.add(value(depth + 1));
    }
    return elements;
  }

  private boolean closes(char end) {
    space();
    if (peek() != end) {
      return false;
    }
    at++;
    return true;
  }

  private boolean continues(char end) throws Malformed {
    if (closes(end)) {
      return false;
    }
    expect(',');
    return true;
  }

  private String string() throws Malformed {
    expect('"');
    StringBuilder found = new StringBuilder();
    while (peek() != '"') {
      char each = next("the end of a string");
      if (each < ' ') {
        throw wrong("no control character in a string");
      }
      found.append(each == '\\' ? escaped() : each);
    }
    at++;
    return found.toString();
  }

  private char escaped() throws Malformed {
    char each = next("a character after a backslash");
    return switch (each) {
      case '"', '\\', '/' -> each;
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> unicode();
      default -> throw wrong("an escape that JSON has");
    };
  }

  private char unicode() throws Malformed {
    int code = 0;
    for (int i = 0; i < 4; i++) {
      int digit = Character.digit(next("four hexadecimal digits"), 16);
      if (digit < 0) {
        throw wrong("four hexadecimal digits");
      }
      code = code * 16 + digit;
    }
    return (char) code;
  }

  /** -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
  private Double number() throws Malformed {
    int begin = at;
    skip('-');
    if (!skip('0')) {
      digits();
    }
    if (skip('.')) {
      digits();
    }
    if (skip('e') || skip('E')) {
      if (!skip('+')) {
        skip('-');
      }
      digits();
    }
    return Double.valueOf(text.substring(begin, at));
  }

  private void digits() throws Malformed {
    int begin = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == begin) {
      throw wrong("a JSON value");
    }
  }

  private Object word(String word, Object value) throws Malformed {
    if (!text.startsWith(word, at)) {
      throw wrong("a JSON value");
    }
    at += word.length();
    return value;
  }

  private void space() {
    while (" \t\r\n".indexOf(peek()) >= 0) {
      at++;
    }
  }

  private boolean skip(char wanted) {
    if (peek() != wanted) {
      return false;
    }
    at++;
    return true;
  }

  private void expect(char wanted) throws Malformed {
    if (!skip(wanted)) {
      throw wrong("'" + wanted + "'");
    }
  }

  private char next(String wanted) throws Malformed {
    if (at >= text.length()) {
      throw wrong(wanted);
    }
    return text.charAt(at++);
  }

  /** The next character, or 0 at the end, which no JSON holds. */
  private char peek() {
    return at < text.length() ? text.charAt(at) : 0;
  }

  private Malformed wrong(String wanted) {
    String found = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
    return new Malformed(found + " at character " + at + " of JSON, in place of " + wanted);
  }
}
