# What a user does, right and wrong, with a service as a user starts it.

for (form in FORMS) {
  client <- gradwire_client(paste0(URL, "//"), form = form)
  wrong <- function(part, what, ...) contains(caught("gradwire_refused", gradwire_grad(client, ...), what)$message, part, what)
  wrong("/scores/1: has 2 numbers; row 0 has 3", "ragged rows", scores = list(1:3, 1:2), labels = LABELS)
  wrong("/labels/1/1: class 3 is out of range for C = 3", "a label out of range", SCORES, labels = list(0, c(1, 3)))
  wrong("/labels/0/0", "half a label", SCORES, labels = list(0.5, 1))
  wrong("/labels/0/0", "a missing label", SCORES, labels = list(NA, 1))
  wrong("/labels", "a row too few", SCORES, labels = list(0))
  wrong("/label_weights/1", "a weight too few", SCORES, labels = LABELS, label_weights = list(1, 1))
  wrong("/mask/0/0", "a mask of other numbers", SCORES, labels = LABELS, mask = SCORES)
  wrong("/scores/0/0", "letters", matrix("a", 2, 3), labels = LABELS)
  wrong("scores", "nothing at all")
  wrong("did you mean 'focal'", "an unknown loss", SCORES, labels = LABELS, loss = "focl")
  wrong("/params/gama", "an unknown parameter", SCORES, labels = LABELS, loss = "focal", params = list(gama = 1))
  error <- caught("gradwire_refused", gradwire_grad(client, SCORES, labels = list(0)), "a refusal")
  equals(error$status, 422L, "has its status")
  check(nchar(error$request_id) > 0, "and the request's name")

  many <- matrix(0, 300, 1000)
  reply <- gradwire_grad(client, many, labels = rep(list(c(1, 5)), 300), reduction = "none")
  equals(length(reply$loss), 300L, "a loss a row")
  check(abs(reply$grad[300, 6] - (0.001 - 0.5)) < 1e-12, "p - 1/k in the last row")
  one <- gradwire_grad(client, matrix(0.5), targets = matrix(1), loss = "bce", reduction = "none", grad_output = array(2, c(1, 1)))
  check(abs(one$grad[1, 1] + 2 / (1 + exp(0.5))) < 1e-12, "one row of one class")
}

client <- gradwire_client(URL)
exact <- gradwire_loss(client, SCORES, labels = LABELS)$loss
check(abs(exact - gradwire_loss(client, SCORES, labels = LABELS, dtype = "float32")$loss) > 1e-12, "float64 is the default, and float32 is another")
equals(two_rows(gradwire_client(URL, form = "json"))$grad, two_rows(client)$grad, "both forms give the same numbers")
check(is.null(gradwire_loss(client, SCORES, labels = LABELS)$grad), "the loss alone is without a gradient")
contains(paste(capture.output(print(gradwire_client(URL, api_key = "secret"))), collapse = ""), "with an API key", "a client can be printed")
check(!any(grepl("secret", capture.output(print(gradwire_client(URL, api_key = "secret"))))), "and keeps its key to itself")
caught("simpleError", gradwire_grad(URL, SCORES, labels = LABELS), "a client is needed")
if (.Platform$OS.type == "unix") {
  forked <- parallel::mclapply(1:40, function(i) tryCatch(two_rows(client)$grad, error = conditionMessage), mc.cores = 4)
  for (each in forked) equals(each, expected$grad, "forked processes do not speak over one connection")
}

many <- gradwire_grad(client, matrix(0, 100000, 2), labels = rep(list(0L), 100000))
equals(dim(many$grad), c(100000L, 2L), "as many rows as R would write 1e+05")
equals(gradwire_grad(gradwire_client(URL, form = "json"), matrix(0, 100000, 2), labels = rep(list(0L), 100000))$loss, many$loss, "in JSON too")
check(is.finite(two_rows(gradwire_client(URL, timeout = Inf, retries = Inf))$loss), "no end of time and retries")
