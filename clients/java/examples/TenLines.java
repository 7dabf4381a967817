import gradwire.Client;
import gradwire.GradReply;
import gradwire.GradwireException;
import gradwire.Job;
import java.util.Arrays;

public class TenLines {
  public static void main(String[] args) {
    Client client = Client.of(System.getenv().getOrDefault("GRADWIRE_URL", "http://127.0.0.1:8000"));
    Job job = Job.of(new float[][] {{2.0f, 0.5f, -1.0f}, {0.1f, 1.2f, 3.0f}})
        .labels(new int[][] {{0}, {1, 2}})
        .loss("softmax_cross_entropy");
    try {
      GradReply reply = client.grad(job);
      System.out.println(reply.loss());
      for (float[] row : reply.grad().floatRows()) {
        System.out.println(Arrays.toString(row));
      }
    } catch (GradwireException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}
