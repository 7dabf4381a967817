# What the tests are written with: a check is counted, and said where it is not well.

counts <- new.env()
counts$checks <- counts$failures <- 0

check <- function(well, what) {
  counts$checks <- counts$checks + 1
  if (isTRUE(well)) return(invisible(TRUE))
  counts$failures <- counts$failures + 1
  message("not well: ", what)
  invisible(FALSE)
}

equals <- function(found, expected, what) {
  if (!check(identical(found, expected), what)) message("  found ", deparse1(found), ", expected ", deparse1(expected))
}

contains <- function(text, part, what) check(grepl(part, text, fixed = TRUE), paste0(what, ": '", part, "' in '", text, "'"))

# The condition of this class that the expression ends with; anything else is a failure.
caught <- function(class, expression, what) {
  found <- tryCatch({
    expression
    NULL
  }, error = identity)
  check(inherits(found, class), paste0(what, ": ", if (is.null(found)) "no error" else paste(class(found)[1], conditionMessage(found))))
  if (inherits(found, class)) found else list(message = "", errors = data.frame(pointer = "", detail = ""))
}

environment_of <- function(name) {
  value <- Sys.getenv(name)
  if (value == "") stop(name, " is not set: clients/README.md says what the tests need")
  value
}

finish <- function() {
  if (counts$failures) stop(counts$failures, " of ", counts$checks, " checks are not well")
  cat(counts$checks, "checks, all well\n")
}

URL <- environment_of("GRADWIRE_URL")
FAULTS <- environment_of("GRADWIRE_FAULTS_URL")
FORMS <- c("binary", "json")
SCORES <- rbind(c(2.0, 0.5, -1.0), c(0.1, 1.2, 3.0))
LABELS <- list(0L, c(1L, 2L))

# The ten lines' job.
two_rows <- function(client, ...) gradwire_grad(client, scores = SCORES, labels = LABELS, loss = "softmax_cross_entropy", ...)
small_rows <- function(client) two_rows(client, dtype = "float32")
