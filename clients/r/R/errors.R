# What can go wrong, as conditions for tryCatch: gradwire_refused, gradwire_unreachable, gradwire_timed_out and gradwire_bad_reply, all of them
# gradwire_error.

fail_with <- function(kind, message, ...) {
  stop(structure(class = c(kind, "gradwire_error", "error", "condition"), list(message = message, call = NULL, ...)))
}

refused <- function(status, title, detail, errors, retry_after, request_id) {
  lines <- ifelse(errors$pointer == "", errors$detail, paste0(errors$pointer, ": ", errors$detail))
  unsaid <- lines[!vapply(lines, grepl, NA, x = detail, fixed = TRUE)]
  message <- paste(c(if (detail == "") title else detail, unsaid), collapse = "\n")
  fail_with("gradwire_refused", message, status = status, title = title, detail = detail, errors = errors, retry_after = retry_after,
            request_id = request_id)
}

unreachable <- function(address, reason) {
  fail_with("gradwire_unreachable", paste0("no reply from ", address, ": ", reason), address = address, reason = reason)
}

timed_out <- function(address, timeout, waited_for) {
  message <- sprintf("%s took longer than the timeout of %s s; waited for %s", address, format(timeout), waited_for)
  fail_with("gradwire_timed_out", message, timeout = timeout, waited_for = waited_for)
}

bad_reply <- function(address, found, expected) {
  message <- sprintf("the reply of %s is not what was asked for: found %s; expected %s", address, found, expected)
  fail_with("gradwire_bad_reply", message, found = found, expected = expected)
}

# A reply that cannot be read, for whoever knows where it came from.
unreadable <- function(found, expected) {
  stop(structure(class = c("unreadable", "error", "condition"), list(message = found, call = NULL, found = found, expected = expected)))
}
