# inputs–hidden–classes with ReLU and plain SGD. Sums go in the order of R's matrix products, which agrees with that of ../README.md to rounding.

# A function that gives the next numbers of the generator: its values, products included, fit into a double exactly.
generator <- function(seed) {
  x <- seed
  function(count = 1) {
    drawn <- numeric(count)
    for (i in seq_len(count)) drawn[i] <- x <<- (1664525 * x + 1013904223) %% 2^32
    drawn
  }
}

shuffled <- function(order, draw) {
  for (i in rev(seq_along(order))[-length(order)]) {
    j <- floor(draw() * i / 2^32) + 1
    order[c(i, j)] <- order[c(j, i)]
  }
  order
}

# weight [out, in], bias [out]
layer <- function(inputs, outputs, draw) {
  drawn <- function(count) (draw(count) / 2^31 - 1) / sqrt(inputs)
  list(weight = matrix(drawn(outputs * inputs), outputs, byrow = TRUE), bias = drawn(outputs))
}

# from [N, in] -> [N, out]
forward <- function(layer, from) from %*% t(layer$weight) + rep(layer$bias, each = nrow(from))

# A step against the gradient by the layer's outputs [N, out].
descended <- function(layer, from, grad, rate) {
  list(weight = layer$weight - rate * crossprod(grad, from), bias = layer$bias - rate * colSums(grad))
}

parameters <- function(network) unlist(lapply(network, function(each) c(t(each$weight), each$bias)))
