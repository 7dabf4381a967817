# A service that wants a key, and takes small bodies.

LOCKED <- environment_of("GRADWIRE_LOCKED_URL")
KEY <- environment_of("GRADWIRE_LOCKED_KEY")

for (key in list(NULL, "wrong")) {
  equals(caught("gradwire_refused", two_rows(gradwire_client(LOCKED, api_key = key)), "without the key")$status, 401L, "is not let in")
}
caught("simpleError", gradwire_client(LOCKED, api_key = "key\n"), "a key with the end of its line")
client <- gradwire_client(LOCKED, api_key = KEY)
equals(dim(two_rows(client)$grad), c(2L, 3L), "with the key it is")
for (rows in c(200, 20000)) {
  error <- caught("gradwire_refused", gradwire_grad(client, matrix(0.5, rows, 100), labels = LABELS), paste("a body of", rows, "rows"))
  equals(error$status, 413L, "is too large")
  contains(error$message, "100000", "and the limit is named")
}
equals(dim(two_rows(client)$grad), c(2L, 3L), "afterwards the client is usable")
