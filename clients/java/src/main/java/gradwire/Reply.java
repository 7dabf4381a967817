package gradwire;

/** The loss of a batch. */
public sealed class Reply permits GradReply {
  private final Tensor losses;
  private final String requestId;

  Reply(Tensor losses, String requestId) {
    this.losses = losses;
    this.requestId = requestId;
  }

  /** The loss, as one number. Throws IllegalStateException with {@link Reduction#NONE}: {@link #losses} has them then. */
  public double loss() {
    if (losses.shape().length > 0) {
      throw new IllegalStateException("with the reduction none there are " + losses.length() + " losses, not one; losses() has them");
    }
    return losses.get(0);
  }

  /** The losses with their shape: [N] or [N, C], the loss's own unit, with {@link Reduction#NONE}; else [], one number. */
  public Tensor losses() {
    return losses;
  }

  /** Names this request in the service's log; empty if the service named none. */
  public String requestId() {
    return requestId;
  }
}
