"""The loss of two rows, and its gradient."""

import os
import sys

import gradwire

client = gradwire.Client(os.environ.get("GRADWIRE_URL", "http://127.0.0.1:8000"))
scores, labels = [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], [[0], [1, 2]]
try:
    reply = client.grad(scores, labels=labels, loss="softmax_cross_entropy")
except gradwire.GradwireError as error:
    sys.exit(str(error))
print(reply.loss)
for row in reply.grad:
    print(*row)
