# The fields of a job, in the few shapes that are sent: matrices, vectors, lists of vectors, numbers, strings.

MATRICES <- c("scores", "targets", "element_weight", "mask")
VECTORS <- c("class_weight", "sample_weight")
NUMBER_OR_ARRAY <- c("pos_weight", "grad_output")

# What was given, and nothing else.
job_of <- function(fields) {
  job <- fields[!vapply(fields, is.null, NA)]
  arrays <- intersect(names(job), c(MATRICES, VECTORS, NUMBER_OR_ARRAY))
  job[arrays] <- lapply(job[arrays], array_of)
  if (!is.null(job$labels)) job$labels <- label_lists(job$labels)
  if (is.matrix(job$label_weights)) job$label_weights <- rows_of(job$label_weights)
  job
}

# A data frame, or a list of rows of one length, as a matrix; TRUE and FALSE as 1 and 0.
array_of <- function(value) {
  if (is.data.frame(value)) value <- as.matrix(value)
  if (is.list(value) && length(value) && all(vapply(value, is.atomic, NA)) && length(unique(lengths(value))) == 1) value <- do.call(rbind, value)
  if (is.logical(value)) storage.mode(value) <- "double"
  value
}

# Class indices from 0: a list of vectors, or a vector of single labels. A factor and a logical matrix say themselves which class is the first.
label_lists <- function(labels) {
  if (is.factor(labels)) return(as.integer(labels) - 1L)
  if (!is.matrix(labels)) return(labels)
  if (is.logical(labels) && !anyNA(labels)) return(lapply(rows_of(labels), function(row) which(row) - 1L))
  rows_of(labels)
}

rows_of <- function(matrix) lapply(seq_len(nrow(matrix)), function(row) unname(matrix[row, ]))

zero_based <- function(labels) if (is.list(labels)) lapply(labels, function(row) row - 1L) else labels - 1L

# One number, and no vector that happens to have one: that is an array with a `dim`.
is_number <- function(value) is.atomic(value) && length(value) == 1 && is.null(dim(value))
