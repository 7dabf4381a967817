package gradwire;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** The format: 8 bytes of header length, a JSON header, the tensors without gaps. It knows no jobs. */
final class Safetensors {
  private static final int ALIGNMENT = 8;
  private static final int LENGTH_BYTES = Long.BYTES;

  private Safetensors() {}

  /** A tensor to be written: `width` bytes a number, and what puts them into a buffer. */
  record Part(String dtype, int width, List<Integer> shape, Consumer<ByteBuffer> numbers) {
    long size() {
      return shape.stream().mapToLong(Integer::longValue).reduce(width, Math::multiplyExact);
    }
  }

  /** A tensor that was read: its numbers, little-endian. */
  record Found(String dtype, int[] shape, ByteBuffer numbers) {}

  /** The widest tensors come first, so that each is aligned. Throws IllegalArgumentException above 2 GiB, which no service takes. */
  static byte[] pack(Map<String, Part> parts, Map<String, String> metadata) {
    Map<String, Object> header = new LinkedHashMap<>();
    if (!metadata.isEmpty()) {
      header.put("__metadata__", metadata);
    }
    var order = parts.entrySet().stream().sorted(Comparator.comparing(each -> -each.getValue().width())).toList();
    long end = 0;
    for (var each : order) {
      Part part = each.getValue();
      header.put(each.getKey(), Map.of("dtype", part.dtype(), "shape", part.shape(), "data_offsets", List.of(end, end += part.size())));
    }
    byte[] text = JsonWriter.write(header).getBytes(StandardCharsets.UTF_8);
    int padded = (text.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (LENGTH_BYTES + padded + end > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("a job of " + end + " bytes; at most 2 GiB can be sent");
    }
    ByteBuffer body = ByteBuffer.allocate((int) (LENGTH_BYTES + padded + end)).order(ByteOrder.LITTLE_ENDIAN);
    body.putLong(padded).put(text).put(" ".repeat(padded - text.length).getBytes(StandardCharsets.US_ASCII));
    order.forEach(each -> each.getValue().numbers().accept(body));
    return body.array();
  }

  static Map<String, Found> unpack(byte[] body) throws JsonReader.Malformed {
    if (body.length < LENGTH_BYTES) {
      throw new JsonReader.Malformed(body.length + " bytes, fewer than the length of a header has");
    }
    long length = ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 0 || length > body.length - LENGTH_BYTES) {
      throw new JsonReader.Malformed("a header of " + Long.toUnsignedString(length) + " bytes in a reply of " + body.length);
    }
    if (!(JsonReader.read(utf8(body, LENGTH_BYTES, (int) length)) instanceof Map<?, ?> header)) {
      throw new JsonReader.Malformed("a header that is no object");
    }
    int begin = LENGTH_BYTES + (int) length;
    Map<String, Found> tensors = new LinkedHashMap<>();
    for (var entry : header.entrySet()) {
      if (!entry.getKey().equals("__metadata__")) {
        String name = (String) entry.getKey();
        tensors.put(name, tensor(name, entry.getValue(), ByteBuffer.wrap(body, begin, body.length - begin).slice()));
      }
    }
    return tensors;
  }

  static String utf8(byte[] body, int from, int length) throws JsonReader.Malformed {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body, from, length)).toString();
    } catch (CharacterCodingException error) {
      throw new JsonReader.Malformed("what is no UTF-8");
    }
  }

  private static Found tensor(String name, Object entry, ByteBuffer data) throws JsonReader.Malformed {
    if (!(entry instanceof Map<?, ?> about && about.get("dtype") instanceof String dtype)) {
      throw new JsonReader.Malformed("the entry " + Brief.of(entry) + " for the tensor '" + name + "'");
    }
    int[] shape = counts(name, about.get("shape"));
    int[] offsets = counts(name, about.get("data_offsets"));
    if (offsets.length != 2 || offsets[0] > offsets[1] || offsets[1] > data.limit()) {
      throw new JsonReader.Malformed("'" + name + "' at bytes " + Brief.of(about.get("data_offsets")) + " of " + data.limit());
    }
    return new Found(dtype, shape, data.slice(offsets[0], offsets[1] - offsets[0]).order(ByteOrder.LITTLE_ENDIAN));
  }

  private static int[] counts(String name, Object value) throws JsonReader.Malformed {
    if (!(value instanceof List<?> list) || !list.stream().allMatch(Safetensors::isCount)) {
      throw new JsonReader.Malformed(Brief.of(value) + " as a shape or place of the tensor '" + name + "'");
    }
    return list.stream().mapToInt(each -> ((Double) each).intValue()).toArray();
  }

  private static boolean isCount(Object value) {
    return value instanceof Double number && number >= 0 && number <= Integer.MAX_VALUE && number == Math.rint(number);
  }
}
