# What is believed of an answer: its loss and gradient, checked against the request, or its problem.

reply_of <- function(answer, job, wants_grad) {
  found <- if (answer$media_type == JSON) read_json(answer$body) else read_safetensors(answer$body)
  check_numbers(found, "loss")
  reply <- list(loss = as.double(found$loss))
  if (is.matrix(found$loss)) dim(reply$loss) <- dim(found$loss)
  check_loss(reply$loss, job)
  if (!wants_grad) return(reply)
  check_numbers(found, "grad")
  if (!identical(dim(found$grad), dim(job$scores))) unreadable(paste("grad", shown(found$grad)), paste("grad", shown(job$scores)))
  storage.mode(found$grad) <- "double"
  c(reply, list(grad = found$grad))
}

check_numbers <- function(found, name) {
  value <- found[[name]]
  if (is.null(value)) unreadable(paste("no", name), paste("a", name))
  if (!is.numeric(value)) unreadable(paste(name, "that is", kind_of(value)), "numbers")
  if (!all(is.finite(value))) unreadable(paste(name, "with something that is no finite number"), "finite numbers")
}

check_loss <- function(loss, job) {
  reduced <- !identical(job$reduction, "none")
  fits <- if (reduced) is_number(loss) else is_number(loss) || identical(extent(loss), dim(job$scores)) || identical(extent(loss), nrow(job$scores))
  if (!fits) unreadable(paste("a loss", shown(loss)), if (reduced) "one number" else paste("the shape", shown(job$scores), "or its rows"))
}

shown <- function(value) paste0("[", paste(sprintf("%.0f", as.double(extent(value))), collapse = ", "), "]")

# What answered, where it is neither a reply nor a problem of the service.
described <- function(answer) {
  text <- paste("status", answer$status, "with", if (is.null(answer$media_type)) "no media type" else answer$media_type)
  to <- answer$headers[["location"]]
  if (is.null(to)) text else paste0(text, ", which leads to ", to, " and is not followed")
}

# The condition for a problem document.
refuse <- function(address, answer) {
  problem <- tryCatch(parsed_json(answer$body, simplifyVector = FALSE), unreadable = function(odd) NULL)
  if (!identical(answer$media_type, "application/problem+json") || !is.list(problem)) {
    bad_reply(address, described(answer), "a reply of a gradwire service; is this its address?")
  }
  refused(answer$status, text_of(problem$title), text_of(problem$detail), field_errors(problem$errors), retry_after(answer),
          answer$headers[["x-request-id"]])
}

text_of <- function(value) if (is.character(value) && length(value) == 1) value else ""

field_errors <- function(errors) {
  errors <- Filter(is.list, as.list(errors))
  data.frame(pointer = vapply(errors, function(each) text_of(each$pointer), ""), detail = vapply(errors, function(each) text_of(each$detail), ""))
}

# Seconds, or NULL where nothing is said that can be understood.
retry_after <- function(answer) {
  text <- answer$headers[["retry-after"]]
  if (is.null(text) || !grepl("^[0-9]+([.][0-9]+)?$", text)) NULL else as.numeric(text)
}
