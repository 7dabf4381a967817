package gradwire;

/** The loss of a batch, and its gradient. */
public final class GradReply extends Reply {
  private final Tensor grad;

  GradReply(Tensor losses, Tensor grad, String requestId) {
    super(losses, requestId);
    this.grad = grad;
  }

  /** grad [N, C] = d(sum of grad_output · loss) / d(scores). */
  public Tensor grad() {
    return grad;
  }
}
