package gradwire;

/** How a job and its reply are written down. */
public enum Form {
  /** safetensors: numbers as they lie in memory. */
  BINARY("application/vnd.safetensors"),
  /** For reading along. */
  JSON("application/json");

  final String mediaType;

  Form(String mediaType) {
    this.mediaType = mediaType;
  }
}
