# All tests. They need the servers that clients/README.md lists, and say so where there are none.
options(warn = 2)
library(gradwire)
if (Sys.getenv("GRADWIRE_URL") == "") {
  cat("GRADWIRE_URL is not set: nothing is tested without a service\n")
  quit(status = 0)
}
for (part in c("check", "forms", "labels", "golden", "live", "locked", "faults", "connections")) source(file.path("parts", paste0(part, ".R")))
finish()
