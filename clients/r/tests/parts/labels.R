# Labels are class indices from 0, however R has them.

listed <- gradwire:::label_lists
equals(listed(factor(c("b", "a", "b"))), c(1L, 0L, 1L), "a factor's first level is class 0")
equals(listed(rbind(c(TRUE, FALSE, TRUE), FALSE)), list(c(0L, 2L), integer()), "a logical matrix's first column is class 0")
equals(listed(LABELS), LABELS, "lists are as they are")
equals(zero_based(list(1L, c(2L, 3L), integer())), list(0L, c(1L, 2L), integer()), "from 1 to 0")
equals(zero_based(c(1L, 3L)), c(0L, 2L), "for single labels too")

client <- gradwire_client(URL)
expected <- two_rows(client)
same <- function(labels, what) equals(gradwire_grad(client, SCORES, labels = labels)$grad, expected$grad, what)
same(rbind(c(TRUE, FALSE, FALSE), c(FALSE, TRUE, TRUE)), "a logical matrix says the same as lists")
same(zero_based(list(1, c(2, 3))), "and so do labels that were counted from 1")
one <- gradwire_grad(client, SCORES, labels = c(2L, 0L), class_weight = c(1, 2, 4))
equals(gradwire_grad(client, SCORES, labels = factor(c("c", "a"), c("a", "b", "c")), class_weight = c(1, 2, 4))$grad, one$grad, "a factor is single labels")
check(abs(gradwire_grad(client, SCORES, labels = list(2L, 0L), class_weight = c(1, 2, 4))$loss - one$loss) > 0.1, "which lists of one label are not")
check(max(abs(gradwire_grad(client, SCORES, targets = rbind(c(1, 0, 0), c(0, 1, 1)))$grad - expected$grad)) < 1e-12, "targets say the same, dense")
