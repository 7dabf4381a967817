# The golden cases in both forms: sent to the server that compares them with the golden requests, and to the live service.

GOLDEN <- environment_of("GRADWIRE_GOLDEN")
parsed <- function(file, ...) jsonlite::parse_json(file(file.path(GOLDEN, file)), ...)

# JSON's lists as R has them: a matrix, a vector, or a list of label vectors.
as_array <- function(name, value) {
  if (!is.list(value)) return(value)
  if (name == "params") return(value)
  if (length(value) && !is.list(value[[1]])) return(unlist(value))
  rows <- lapply(value, function(row) if (length(row)) unlist(row) else integer())
  if (name %in% c("labels", "label_weights") || length(unique(lengths(rows))) > 1) rows else do.call(rbind, rows)
}

close_to <- function(found, expected, tolerance, what) {
  equals(length(found), length(expected), paste(what, "has the shape"))
  check(identical(dim(found), dim(expected)) && max(abs(found - expected) / pmax(1, abs(expected))) <= tolerance, paste(what, "has the numbers"))
}

play <- function(entry, form) {
  what <- paste(entry$name, "in", form)
  job <- Map(as_array, names(entry$job), entry$job)
  if (is.null(job$dtype)) job$dtype <- "float32"
  ask <- if (entry$path == "/grad") gradwire_grad else gradwire_loss
  for (url in c(paste0(FAULTS, "/golden/", entry$name), URL)) {
    client <- gradwire_client(url, form = form)
    tolerance <- if (url != URL) 0 else if (job$dtype == "float64") 1e-10 else 1e-5
    if (entry$status == 200) replied(do.call(ask, c(list(client), job)), entry, tolerance, what) else refused(do.call(ask, c(list(client), job)), entry, what)
  }
}

# JSON writes a float32 in fewer digits than its value has as a double: one tells the two apart by rounding.
rounded <- function(values, dtype) {
  if (identical(dtype, "float64")) return(values)
  values[] <- readBin(writeBin(as.double(values), raw(), size = 4), "double", length(values), size = 4)
  values
}

replied <- function(reply, entry, tolerance, what) {
  expected <- Map(as_array, c("loss", "grad"), parsed(paste0(entry$name, ".reply.json"))[c("loss", "grad")])
  dtype <- entry$job$dtype
  close_to(rounded(reply$loss, dtype), rounded(expected$loss, dtype), tolerance, paste(what, "loss"))
  equals(is.null(reply$grad), entry$path == "/loss", paste(what, "has a gradient where one is asked for"))
  if (entry$path == "/grad") close_to(rounded(reply$grad, dtype), rounded(expected$grad, dtype), tolerance, paste(what, "grad"))
}

refused <- function(call, entry, what) {
  problem <- parsed(paste0(entry$name, ".problem.json"))
  error <- caught("gradwire_refused", call, what)
  equals(error$status, entry$status, paste(what, "has the status"))
  equals(error$detail, problem$detail, paste(what, "has the detail"))
  equals(error$errors$pointer, vapply(problem$errors, `[[`, "", "pointer"), paste(what, "has the places"))
}

for (entry in parsed("cases.json")) {
  for (form in FORMS) {
    tryCatch(play(entry, form), gradwire_error = function(error) check(FALSE, paste(entry$name, form, conditionMessage(error))))
  }
}

with_nan <- SCORES
with_nan[1, 2] <- NaN
for (case in list(c("nan_tensor", "binary"), c("nan", "json"))) {
  for (url in c(paste0(FAULTS, "/golden/", case[1]), URL)) {
    error <- caught("gradwire_refused", gradwire_grad(gradwire_client(url, form = case[2]), with_nan, labels = LABELS, dtype = "float32"), case[1])
    contains(error$message, "/scores/0/1", paste(case[1], "is refused, and where it is"))
  }
}
masked <- SCORES
masked[1, 2] <- -Inf
for (url in c(paste0(FAULTS, "/golden/minus_infinity"), URL)) {
  equals(gradwire_grad(gradwire_client(url), masked, labels = LABELS)$grad[1, 2], 0, "a score of -Inf masks its class")
}
