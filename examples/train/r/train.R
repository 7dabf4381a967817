# A small network learns a multi-label task; loss and gradient come from gradwire: ../README.md says what it does, number by number.
options(warn = 2)
library(gradwire)

main <- function(folder, words) {
  for (file in c("options.R", "network.R")) source(file.path(folder, file))
  given <- options_from(words)
  data <- data_from(given$data)
  client <- gradwire_client(given$url, form = given$form)
  draw <- generator(given$seed)
  network <- list(layer(ncol(data$features), given$hidden, draw), layer(given$hidden, data$classes, draw))
  order <- seq_len(nrow(data$features))
  requests <- 0
  loss <- 0
  began <- proc.time()[["elapsed"]]
  for (epoch in seq_len(given$epochs)) {
    order <- shuffled(order, draw)
    loss <- 0
    for (start in seq(1, length(order), by = given$batch)) {
      rows <- order[start:min(start + given$batch - 1, length(order))]
      step <- stepped(network, data$features[rows, , drop = FALSE], data$labels[rows], client, given)
      network <- step$network
      loss <- loss + length(rows) / length(order) * step$loss
      requests <- requests + 1
    }
  }
  write_result(given$out, proc.time()[["elapsed"]] - began, requests, loss, parameters(network))
}

# One batch: scores, their gradient from the service, a step of all parameters.
stepped <- function(network, features, labels, client, given) {
  h <- pmax(forward(network[[1]], features), 0)
  reply <- gradwire_grad(client, forward(network[[2]], h), labels = labels, loss = given$loss, dtype = given$dtype, runtime = given$runtime)
  grad_h <- (reply$grad %*% network[[2]]$weight) * (h > 0)
  list(loss = reply$loss, network = list(descended(network[[1]], features, grad_h, given$rate), descended(network[[2]], h, reply$grad, given$rate)))
}

words <- commandArgs(trailingOnly = TRUE)
tryCatch(main(words[1], words[-1]), error = function(error) {
  message(gsub("\n", " ", conditionMessage(error)))
  quit(status = 1)
})
