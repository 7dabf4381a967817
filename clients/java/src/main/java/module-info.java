/** Multi-label losses and their exact gradients, from a gradwire service. */
module gradwire {
  requires java.net.http;

  exports gradwire;
}
