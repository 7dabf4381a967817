# Every way in which a server can misbehave ends in a condition of its class, in time, and leaves the client usable.

faulty <- function(path, form, timeout = 5) gradwire_client(paste0(FAULTS, path), form = form, timeout = timeout)
stats <- function(path = "/stats") jsonlite::parse_json(rawToChar(curl::curl_fetch_memory(paste0(FAULTS, path))$content))
requests_of <- function(token) stats(paste0("/stats/", token))$requests
tokens <- 0
fresh_token <- function() {
  tokens <<- tokens + 1
  sprintf("r-%d-%.0f-%d", Sys.getpid(), as.numeric(Sys.time()) * 1000, tokens)
}

test_bad_replies <- function(form) {
  is_json <- form == "json"
  parts <- c(cut = "cut after", html = "text/html", `html-502` = "status 502", redirect = "is not followed",
             `not-json` = if (is_json) "no JSON" else "a header of", `no-grad` = "no grad", `wrong-shape` = "grad [1, 3]; expected grad [2, 3]",
             `wrong-type` = if (is_json) "a string" else "I64", null = if (is_json) "null" else "no loss",
             `huge-header` = if (is_json) "nested deeper" else "4611686018427387904", `other-form` = if (is_json) "safetensors" else "application/json")
  for (name in names(parts)) {
    client <- faulty(paste0("/", name), form)
    for (again in 1:2) contains(caught("gradwire_bad_reply", small_rows(client), paste(name, form))$message, parts[[name]], paste(name, form))
  }
}

test_statuses <- function(form) {
  for (status in c(401L, 404L, 413L, 415L, 422L, 429L, 500L, 503L, 504L)) {
    what <- paste(status, "in", form)
    error <- caught("gradwire_refused", small_rows(faulty(paste0("/status/", status), form, 0.9)), what)  # shorter than the Retry-After of 1 s
    equals(error$status, status, what)
    check(nchar(error$title) > 0 && nchar(error$detail) > 0, paste(what, "has words"))
    equals(error$retry_after, if (status %in% c(429, 503)) 1, paste(what, "says when to come again"))
    if (status == 422) equals(error$errors$pointer, c("/reduction", "/mean_over"), "422 has its places")
    if (status == 404) contains(error$message, "did you mean", "404 has a suggestion")
  }
}

test_retries <- function(form) {
  for (fault in list(list("/busy/2/", 3L), list("/draining/3/", 4L))) {
    token <- fresh_token()
    equals(dim(small_rows(faulty(paste0(fault[[1]], token), form))$grad), c(2L, 3L), paste(fault[[1]], "is answered at last"))
    equals(requests_of(token), fault[[2]], "as often as it was needed")
  }
  token <- fresh_token()
  equals(caught("gradwire_refused", small_rows(faulty(paste0("/busy/9/", token), form)), "busy for longer than the retries last")$status, 429L, "is refused")
  equals(requests_of(token), 4L, "after three retries")
  took <- system.time(later <- caught("gradwire_refused", small_rows(faulty("/later", form)), "later"))[["elapsed"]]
  equals(later$retry_after, 3600, "an hour later")
  check(took < 1, "and nobody waits for it")
}

test_timeouts <- function(form) {
  for (path in c("/silent", "/stalls", "/trickles")) {
    what <- paste(path, form)
    took <- system.time(error <- caught("gradwire_timed_out", small_rows(faulty(path, form, 0.3)), what))[["elapsed"]]
    check(took >= 0.29 && took < 1.5, paste(what, "in time:", took))
    contains(error$message, "timeout of 0.3 s", what)
    contains(error$waited_for, if (path == "/silent") "the reply" else "the rest of the reply", what)
  }
}

test_unreachable <- function(form) {
  before <- stats()$requests
  contains(caught("gradwire_unreachable", small_rows(faulty("/hang-up", form)), "hang-up")$address, "/hang-up/grad", "has the address")
  sent <- stats()$requests - before  # libcurl itself sends once more where the connection was one that is kept
  check(sent %in% 4:5, paste("a connection that ended without a byte is tried three times more:", sent))
  for (url in c("http://127.0.0.1:1", "http://no-such-host.invalid", "ftp://127.0.0.1", "not a url", "", "file:///etc/passwd")) {
    error <- caught("gradwire_unreachable", small_rows(gradwire_client(url, form = form)), paste0("nothing at '", url, "'"))
    check(nchar(error$reason) > 0, "has the system's reason")
  }
}

for (form in FORMS) {
  test_bad_replies(form)
  test_statuses(form)
  test_retries(form)
  test_timeouts(form)
  test_unreachable(form)
  for (path in c("/closing", "/chunked", "/golden/softmax")) equals(dim(small_rows(faulty(path, form))$grad), c(2L, 3L), paste(path, form))
}
small <- gradwire_client(paste0(FAULTS, "/golden/softmax"), most_reply_bytes = 100)
contains(caught("gradwire_bad_reply", small_rows(small), "a large reply")$message, "more than 100 bytes", "is not read to its end")
small <- gradwire_client(paste0(FAULTS, "/trickles"), most_reply_bytes = 10)
contains(caught("gradwire_bad_reply", small_rows(small), "a reply without end")$message, "more than 10 bytes", "is given up")
