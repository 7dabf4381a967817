# A request as JSON, with all digits of every number; and a reply from JSON.

JSON <- "application/json"
DEEPEST <- 32

write_json <- function(job) {
  if (identical(job$dtype, "float32")) job$dtype <- NULL  # what JSON's numbers are where nothing is said
  if (!length(job)) return("{}")
  members <- mapply(json_field, names(job), job)
  paste0("{", paste0("\"", names(job), "\":", members, collapse = ","), "}")
}

json_field <- function(name, value) {
  if (name == "params") return(if (length(value)) json_value(value) else "{}")
  if (is.matrix(value)) return(json_matrix(value))
  if (is.list(value)) return(json_array(vapply(value, json_vector, "")))
  if (name %in% c(MATRICES, VECTORS, "labels", "label_weights")) return(json_vector(value))
  if (is_number(value)) json_scalars(value) else json_vector(value)
}

json_array <- function(texts) paste0("[", paste(texts, collapse = ","), "]")

json_vector <- function(values) json_array(if (is.list(values)) vapply(values, json_value, "") else json_scalars(values))

json_matrix <- function(values) {
  texts <- matrix(json_scalars(values), nrow(values))
  if (!length(texts)) return(json_array(rep("[]", nrow(values))))
  columns <- lapply(seq_len(ncol(texts)), function(column) texts[, column])
  json_array(paste0("[", do.call(paste, c(columns, sep = ",")), "]"))
}

# A parameter of the loss: a named list is an object, one value stands alone.
json_value <- function(value) {
  if (is.null(value)) return("null")
  if (!is.list(value)) return(if (length(value) == 1 && !inherits(value, "AsIs")) json_scalars(value) else json_vector(value))
  members <- vapply(value, json_value, "")
  if (is.null(names(value))) json_array(members) else paste0("{", paste0(quoted(names(value)), ":", members, collapse = ","), "}")
}

# Each value as JSON has it. NaN, NA and infinities are no JSON: the service says so, and where they are.
json_scalars <- function(values) {
  if (is.factor(values) || is.character(values)) return(quoted(as.character(values)))
  if (is.logical(values)) return(ifelse(is.na(values), "NaN", ifelse(values, "true", "false")))
  if (!is.numeric(values)) return(quoted(as.character(values)))
  values <- as.double(values)
  texts <- sprintf("%.17g", values)
  texts[is.na(values)] <- "NaN"
  texts[is.infinite(values)] <- ifelse(values[is.infinite(values)] > 0, "Infinity", "-Infinity")
  texts
}

quoted <- function(texts) vapply(enc2utf8(texts), function(text) as.character(jsonlite::toJSON(text, auto_unbox = TRUE)), "", USE.NAMES = FALSE)

read_json <- function(body) {
  is_open <- body == as.raw(0x5b) | body == as.raw(0x7b)  # [ and {
  is_closed <- body == as.raw(0x5d) | body == as.raw(0x7d)
  if (max(cumsum(is_open - is_closed), 0) > DEEPEST) unreadable("JSON nested deeper than any reply", "an object with loss and grad")
  reply <- parsed_json(body, simplifyVector = TRUE, simplifyDataFrame = FALSE)
  if (!is.list(reply) || is.null(names(reply))) unreadable(paste("JSON that is", kind_of(reply)), "an object with loss and grad")
  reply
}

# From bytes; a condition where they are no JSON.
parsed_json <- function(body, ...) {
  text <- tryCatch(rawToChar(body), error = function(error) unreadable("bytes that are no text", "JSON"))
  tryCatch(jsonlite::parse_json(text, ...), error = function(error) unreadable(paste(length(body), "bytes that are no JSON"), "JSON"))
}

kind_of <- function(value) {
  if (is.null(value)) return("null")
  if (is.character(value)) "a string, or has one in it" else if (is.list(value)) "a list of different things" else paste("of type", typeof(value))
}
