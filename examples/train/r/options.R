# The command line, the data to learn from, and the file that is written: ../README.md describes all three.

DEFAULTS <- list(loss = "softmax_cross_entropy", dtype = "float64", form = "binary", runtime = "pytorch",
                 epochs = "20", batch = "64", hidden = "32", rate = "0.1", seed = "1")
NEEDED <- c("url", "data", "out")
LEAST <- c(epochs = 0, batch = 1, hidden = 1, rate = 0, seed = 0)

options_from <- function(words) {
  given <- DEFAULTS
  known <- c(NEEDED, names(DEFAULTS))
  for (i in seq(1, length.out = ceiling(length(words) / 2), by = 2)) {
    name <- sub("^--", "", words[i])
    if (!startsWith(words[i], "--") || !(name %in% known)) stop("unknown option ", words[i], "; known: ", paste0("--", known, collapse = ", "))
    if (i == length(words)) stop(words[i], " has no value")
    given[[name]] <- words[i + 1]
  }
  for (name in setdiff(NEEDED, names(given))) stop("--", name, " is needed")
  if (!(given$form %in% c("binary", "json"))) stop("--form is binary or json, not ", given$form)
  for (name in names(LEAST)) given[[name]] <- number_of(name, given[[name]])
  given
}

number_of <- function(name, text) {
  value <- suppressWarnings(as.numeric(text))
  whole <- name == "rate" || (!is.na(value) && value == trunc(value))
  if (is.na(value) || value < LEAST[[name]] || !whole) stop("--", name, " is ", text, "; expected a number of at least ", LEAST[[name]])
  value
}

# A list: features [N, inputs], and labels, a vector of class indices from 0 a row.
data_from <- function(file) {
  if (!file.exists(file)) stop(file, " cannot be read: there is no such file")
  numbers <- tryCatch(scan(file, quiet = TRUE), error = function(error) stop(file, " is not as README.md says: ", conditionMessage(error)))
  sizes <- numbers[1:3]
  if (anyNA(sizes) || length(numbers) != 3 + sizes[1] * (sizes[2] + sizes[3])) stop(file, " does not hold as many numbers as its first line says")
  table <- matrix(numbers[-(1:3)], sizes[1], byrow = TRUE)
  targets <- table[, sizes[2] + seq_len(sizes[3]), drop = FALSE]
  if (!all(targets %in% c(0, 1))) stop(file, " has a label that is neither 0 nor 1")
  list(features = table[, seq_len(sizes[2]), drop = FALSE], labels = lapply(seq_len(sizes[1]), function(row) which(targets[row, ] == 1) - 1L),
       classes = sizes[3])
}

write_result <- function(file, seconds, requests, loss, weights) {
  lines <- c(sprintf("seconds %.17g", seconds), sprintf("requests %d", requests), sprintf("loss %.17g", loss), sprintf("weights %d", length(weights)),
             sprintf("%.17g", weights))
  tryCatch(suppressWarnings(writeLines(lines, file)), error = function(error) stop(file, " cannot be written"))
}
