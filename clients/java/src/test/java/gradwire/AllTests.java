package gradwire;

/** All tests of this client, against the services that the environment names. Prints how many checks there were; 1 if one failed. */
public final class AllTests {
  private AllTests() {}

  public static void main(String[] args) throws Exception {
    Checks checks = new Checks();
    FormTest.run(checks);
    GoldenTest.run(checks);
    WrongUseTest.run(checks);
    FaultTest.run(checks);
    LiveTest.run(checks);
    ExampleTest.run(checks);
    if (checks.failed() > 0) {
      System.out.println(checks.failed() + " of " + (checks.passed() + checks.failed()) + " checks failed");
      System.exit(1);
    }
    System.out.println(checks.passed() + " checks, all well");
  }
}
