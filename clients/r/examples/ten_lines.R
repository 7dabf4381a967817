# The loss and the gradient of two rows. Labels are class indices from 0.
library(gradwire)

client <- gradwire_client(Sys.getenv("GRADWIRE_URL", "http://127.0.0.1:8000"))
tryCatch({
  reply <- gradwire_grad(client, scores = rbind(c(2.0, 0.5, -1.0), c(0.1, 1.2, 3.0)), labels = list(0, c(1, 2)), loss = "softmax_cross_entropy")
  cat(reply$loss, "\n")
  for (row in seq_len(nrow(reply$grad))) cat(reply$grad[row, ], "\n")
}, gradwire_error = function(error) {
  message(conditionMessage(error))
  quit(status = 1)
})
