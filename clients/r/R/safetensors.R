# A request and a reply as safetensors: 8 bytes of header length, a JSON header, and the tensors one after another, little-endian.

SAFETENSORS <- "application/vnd.safetensors"
MOST_HEADER_BYTES <- 2^20

# Whether the job can be said in tensors: numbers in matrices and vectors, whole labels, weights nested like labels.
fits_safetensors <- function(job) {
  matrices <- job[intersect(names(job), MATRICES)]
  vectors <- job[intersect(names(job), VECTORS)]
  numbers <- job[intersect(names(job), NUMBER_OR_ARRAY)]
  all(vapply(matrices, function(each) is.matrix(each) && is.numeric(each), NA),
      vapply(c(vectors, numbers), is.numeric, NA), all(job$mask %in% c(0, 1)), labels_fit(job$labels, job$label_weights))
}

labels_fit <- function(labels, weights) {
  alike <- is.list(weights) == is.list(labels) && identical(lengths(weights), lengths(labels))
  flat <- c(unlist(labels), integer())
  whole <- is.numeric(flat) && !anyNA(flat) && all(abs(flat) <= .Machine$integer.max) && all(flat == trunc(flat))
  whole && (is.null(weights) || (alike && is.numeric(c(unlist(weights), numeric()))))
}

write_safetensors <- function(job) {
  tensors <- c(label_tensors(job$labels, job$label_weights), number_tensors(job))
  bytes <- lapply(tensors, `[[`, "bytes")
  entries <- mapply(tensor_entry, tensors, cumsum(as.double(lengths(bytes))))
  metadata <- options_of(job)
  if (length(metadata)) entries <- c(`__metadata__` = paste0("{", paste0(quoted(names(metadata)), ":", quoted(metadata), collapse = ","), "}"), entries)
  header <- if (length(entries)) paste0("\"", names(entries), "\":", entries, collapse = ",") else ""
  header <- charToRaw(paste0("{", header, "}"))
  header <- c(header, rep(as.raw(0x20), -length(header) %% 8))
  c(writeBin(c(length(header), 0L), raw(), endian = "little"), header, unlist(bytes, use.names = FALSE))
}

tensor_entry <- function(tensor, end) {
  sprintf("{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%.0f,%.0f]}", tensor$dtype, paste(sprintf("%.0f", as.double(tensor$shape)), collapse = ","),
          end - length(tensor$bytes), end)
}

# Everything that is no array, as strings; the precision is said, for R's numbers are always float64.
options_of <- function(job) {
  given <- job[setdiff(names(job), c(MATRICES, VECTORS, "labels", "label_weights"))]
  given <- given[!(names(given) %in% NUMBER_OR_ARRAY) | vapply(given, is_number, NA)]
  if (identical(job$dtype, "float64")) given$dtype <- NULL  # what the tensors say themselves
  vapply(names(given), function(name) if (is.character(given[[name]])) given[[name]][1] else json_field(name, given[[name]]), "")
}

# Large types first, so that each tensor begins where its numbers may.
number_tensors <- function(job) {
  arrays <- job[intersect(c("scores", "targets", "element_weight", VECTORS, NUMBER_OR_ARRAY), names(job))]
  tensors <- lapply(arrays[!(names(arrays) %in% NUMBER_OR_ARRAY) | !vapply(arrays, is_number, NA)], doubles)
  if (is.null(job$mask)) return(tensors)
  c(tensors, list(mask = list(dtype = "BOOL", shape = dim(job$mask), bytes = as.raw(by_row(job$mask)))))
}

label_tensors <- function(labels, weights) {
  if (is.null(labels)) return(list())
  weights <- if (!is.null(weights)) list(label_weights = doubles(as.double(unlist(weights))))
  flat <- list(labels = integers(unlist(labels)))
  offsets <- if (is.list(labels)) list(label_offsets = integers(c(0, cumsum(lengths(labels)))))
  c(weights, flat, offsets)
}

doubles <- function(values) list(dtype = "F64", shape = extent(values), bytes = writeBin(by_row(values), raw(), endian = "little"))

integers <- function(values) list(dtype = "I32", shape = length(values), bytes = writeBin(as.integer(values), raw(), endian = "little"))

extent <- function(values) if (is.null(dim(values))) length(values) else dim(values)

by_row <- function(values) as.double(if (is.matrix(values)) t(values) else values)

read_safetensors <- function(body) {
  if (length(body) < 8) unreadable(paste(length(body), "bytes"), "safetensors")
  words <- readBin(body[1:8], "integer", 4, size = 2, signed = FALSE, endian = "little")
  header_bytes <- sum(words * 2^c(0, 16, 32, 48))
  if (header_bytes > min(length(body) - 8, MOST_HEADER_BYTES)) {
    unreadable(sprintf("a header of %.0f bytes in a body of %d", header_bytes, length(body)), "safetensors")
  }
  header <- parsed_json(body[8 + seq_len(header_bytes)], simplifyVector = FALSE)
  if (!is.list(header)) unreadable("a header that is no object", "an object of tensors")
  data <- 8 + header_bytes  # how many bytes come before the tensors'
  tensors <- header[names(header) %in% c("loss", "grad")]
  mapply(function(name, about) read_tensor(name, about, body, data), names(tensors), tensors, SIMPLIFY = FALSE)
}

read_tensor <- function(name, about, body, data) {
  if (!is.list(about)) unreadable(paste("a header that does not describe", name), "dtype, shape and data_offsets")
  size <- c(F64 = 8, F32 = 4)[as_text(about$dtype)]
  if (is.na(size)) unreadable(paste(name, "of type", as_text(about$dtype)), "F32 or F64")
  shape <- as_numbers(about$shape)
  span <- as_numbers(about$data_offsets)
  if (length(span) != 2 || span[1] < 0 || span[2] > length(body) - data || diff(span) != prod(shape) * size) {
    unreadable(sprintf("%s [%s] at bytes %s of %.0f", name, paste(shape, collapse = ", "), paste(span, collapse = " to "), length(body) - data),
               "the bytes that its shape takes")
  }
  values <- readBin(body[data + span[1] + seq_len(diff(span))], "double", prod(shape), size, endian = "little")
  if (length(shape) == 2) matrix(values, shape[1], shape[2], byrow = TRUE) else values
}

as_text <- function(value) if (is.character(value) && length(value) == 1) value else "no string"

# Whole numbers from a list that a header has; a condition where it has something else.
as_numbers <- function(list) {
  if (!is.list(list) || !all(vapply(list, function(each) is.numeric(each) && each >= 0 && each == trunc(each), NA))) {
    unreadable("a header whose shapes and offsets are no integers", "safetensors")
  }
  as.double(unlist(list))
}
