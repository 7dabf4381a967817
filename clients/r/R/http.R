# One exchange over the kept connection, and again where that is of use.

ONLY_HTTP <- 3L  # CURLPROTO_HTTP | CURLPROTO_HTTPS
FIRST_WAIT_S <- 0.1
AGAIN <- c(429, 503)
LONGEST_S <- 864000  # ten days: a timeout may be Inf
CLOCK_S <- 0.0005  # half of what the clock can tell apart

# The last answer: with a status, or with the reason why there is none.
send <- function(client, address, media_type, body) {
  deadline <- now() + min(client$timeout, LONGEST_S)
  attempt <- 0
  repeat {
    answer <- post(client, address, media_type, body, deadline)
    pause <- pause_after(answer, attempt)
    if (is.null(pause) || attempt >= client$retries || pause >= deadline - now()) return(answer)
    Sys.sleep(pause)
    attempt <- attempt + 1
  }
}

now <- function() proc.time()[["elapsed"]]

# How many seconds later the same request may be sent again; NULL where that would be of no use.
pause_after <- function(answer, attempt) {
  if (!is.null(answer$reason)) return(if (answer$connected && !answer$began && !answer$timed_out) 0)
  if (!(answer$status %in% AGAIN)) return(NULL)
  said <- retry_after(answer)
  if (is.null(said)) FIRST_WAIT_S * 2^attempt else said
}

# The curl package keeps the connection, for all handles of a process. A process that was forked from this one inherits it, and must not
# speak over it: there, every request has a connection of its own.
is_forked <- function() Sys.getpid() != process$id

process <- new.env()

handle_of_process <- function() {
  if (is.null(process$handle)) process$handle <- curl::new_handle()
  process$handle
}

.onLoad <- function(libname, pkgname) process$id <- Sys.getpid()

post <- function(client, address, media_type, body, deadline) {
  handle <- handle_of_process()
  on.exit(curl::handle_reset(handle))  # lets go of the body
  left_ms <- max(1, ceiling((deadline - now()) * 1000))
  received <- c(0, 0)
  limit <- client$most_reply_bytes
  curl::handle_setopt(handle, post = TRUE, postfields = body, timeout_ms = left_ms, followlocation = FALSE, nosignal = TRUE, protocols = ONLY_HTTP,
                      fresh_connect = is_forked(), forbid_reuse = is_forked(),
                      useragent = "gradwire-r/0.1.0", noprogress = FALSE,
                      xferinfofunction = function(down, up) {
                        received <<- down
                        max(down) <= limit
                      })
  curl::handle_setheaders(handle, .list = headers_of(client, media_type, left_ms))
  answer <- tryCatch(curl::curl_fetch_memory(address, handle), error = function(error) list(reason = conditionMessage(error)))
  if (is.null(answer$reason)) return(whole(answer))
  about <- curl::handle_data(handle)
  list(reason = answer$reason, bytes = received[2], too_large = max(received) > limit, began = length(about$headers) > 0,
       connected = about$times[["pretransfer"]] > 0, timed_out = deadline - now() < CLOCK_S)
}

headers_of <- function(client, media_type, left_ms) {
  headers <- list(`Content-Type` = media_type, Accept = media_type, `Accept-Encoding` = "identity", `X-Request-Timeout-Ms` = sprintf("%.0f", left_ms),
                  Expect = "")
  if (is.null(client$api_key)) headers else c(headers, list(Authorization = paste("Bearer", client$api_key)))
}

whole <- function(answer) {
  headers <- curl::parse_headers_list(answer$headers)
  media_type <- headers[["content-type"]]
  list(status = answer$status_code, headers = headers, body = answer$content,
       media_type = if (!is.null(media_type)) tolower(trimws(sub(";.*", "", media_type))))
}

# The condition for an exchange that did not come to its end.
fail <- function(client, address, answer) {
  if (answer$too_large) bad_reply(address, sprintf("more than %.0f bytes", client$most_reply_bytes), "at most as many")
  if (answer$timed_out) timed_out(address, client$timeout, waited_for(answer))
  if (answer$began) bad_reply(address, sprintf("a reply cut after %.0f bytes (%s)", answer$bytes, answer$reason), "all of it")
  unreachable(address, answer$reason)
}

waited_for <- function(answer) {
  if (answer$began) return(sprintf("the rest of the reply, after %.0f bytes of it", answer$bytes))
  if (answer$connected) "the reply" else "a connection"
}
