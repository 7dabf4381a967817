package gradwire;

import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** The bytes of a reply, of at most 1 GiB. */
final class BoundedBody implements BodySubscriber<byte[]> {
  static final long MOST_BYTES = 1L << 30;
  private final BodySubscriber<byte[]> whole = BodySubscribers.ofByteArray();
  private Flow.Subscription subscription;
  private long length;

  /** A reply that is too long. */
  static final class TooLong extends Exception {
    private static final long serialVersionUID = 1;
  }

  @Override
  public CompletionStage<byte[]> getBody() {
    return whole.getBody();
  }

  @Override
  public void onSubscribe(Flow.Subscription given) {
    subscription = given;
    whole.onSubscribe(given);
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    length += buffers.stream().mapToLong(ByteBuffer::remaining).sum();
    if (length <= MOST_BYTES) {
      whole.onNext(buffers);
    } else {
      subscription.cancel();
      whole.onError(new TooLong());
    }
  }

  @Override
  public void onError(Throwable error) {
    whole.onError(error);
  }

  @Override
  public void onComplete() {
    whole.onComplete();
  }
}
