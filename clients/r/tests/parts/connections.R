# Connections are kept, and none is leaked.

client <- gradwire_client(paste0(FAULTS, "/golden/softmax"))
before <- stats()$connections
for (i in 1:100) small_rows(client)
equals(stats()$connections - before, 1L, "100 requests over one connection")

client <- gradwire_client(paste0(FAULTS, "/stale/r"))
for (i in 1:20) small_rows(client)
check(TRUE, "a connection that has ended is replaced")

before <- stats()$open
for (i in 1:20) {
  for (path in c("/cut", "/html", "/hang-up", "/status/422", "/wrong-shape", "/golden/softmax")) {
    tryCatch(small_rows(gradwire_client(paste0(FAULTS, path))), gradwire_error = function(error) NULL)
  }
}
check(stats()$open <= before + 1, "nothing is left open but the connection that is kept")
