# What a user calls: a client, and the two requests.

gradwire_client <- function(url = "http://127.0.0.1:8000", api_key = NULL, timeout = 30, retries = 3, form = c("binary", "json"),
                            most_reply_bytes = 2^30) {
  stopifnot(is.character(url), length(url) == 1, is.numeric(timeout), timeout > 0, is.numeric(retries), retries >= 0)
  stopifnot("the API key has a control character, which no header can hold; was it read with the end of its line?" =
              !any(grepl("[[:cntrl:]]", api_key)))
  structure(list(url = sub("/+$", "", url), api_key = api_key, timeout = timeout, retries = retries, form = match.arg(form),
                 most_reply_bytes = most_reply_bytes), class = "gradwire_client")
}

print.gradwire_client <- function(x, ...) {
  cat("<gradwire client of ", x$url, ": ", x$form, ", timeout ", x$timeout, " s, ", x$retries, " retries",
      if (!is.null(x$api_key)) ", with an API key", ">\n", sep = "")
  invisible(x)
}

gradwire_loss <- function(client, scores = NULL, targets = NULL, labels = NULL, loss = NULL, params = NULL, label_weights = NULL,
                          class_weight = NULL, pos_weight = NULL, sample_weight = NULL, element_weight = NULL, mask = NULL,
                          ignore_index = NULL, reduction = NULL, mean_over = NULL, dtype = "float64", runtime = NULL) {
  fields <- as.list(environment())
  call_service(client, "/loss", job_of(fields[names(fields) != "client"]))
}

gradwire_grad <- function(client, scores = NULL, targets = NULL, labels = NULL, loss = NULL, params = NULL, label_weights = NULL,
                          class_weight = NULL, pos_weight = NULL, sample_weight = NULL, element_weight = NULL, mask = NULL,
                          ignore_index = NULL, reduction = NULL, mean_over = NULL, grad_output = NULL, dtype = "float64", runtime = NULL) {
  fields <- as.list(environment())
  call_service(client, "/grad", job_of(fields[names(fields) != "client"]))
}

# The job's bytes, sent; the reply's bytes, checked.
call_service <- function(client, path, job) {
  stopifnot("the first argument is a client, which gradwire_client(url) makes" = inherits(client, "gradwire_client"))
  binary <- client$form == "binary" && fits_safetensors(job)
  media_type <- if (binary) SAFETENSORS else JSON
  address <- paste0(client$url, path)
  body <- if (binary) write_safetensors(job) else charToRaw(write_json(job))
  answer <- send(client, address, media_type, body)
  if (!is.null(answer$reason)) fail(client, address, answer)
  if (answer$status != 200) refuse(address, answer)
  if (!identical(answer$media_type, media_type)) bad_reply(address, described(answer), media_type)
  reply <- tryCatch(reply_of(answer, job, path == "/grad"), unreadable = function(odd) bad_reply(address, odd$found, odd$expected))
  c(reply, list(request_id = answer$headers[["x-request-id"]]))
}
