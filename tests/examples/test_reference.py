"""The reference of the languages' training, against the same training without autograd and without torch.

Its losses are written plainly, from their definitions, and its gradients are complex-step derivatives of them: f(x + ih).imag / h has no
difference in it, so it is exact to the last digits (Squire & Trapp, 1998). Every number of the recipe is counted out by hand.
"""

import numpy as np
import pytest
import torch

from examples.train import reference
from examples.train.reference import LOSSES, Recipe

STEP = 1e-30
ROWS, INPUTS, CLASSES = 7, 3, 4
FEATURES = np.random.default_rng(3).normal(size=(ROWS, INPUTS))
TARGETS = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 1, 0]], float)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax_cross_entropy(scores, targets):
    rows = []
    for x, y in zip(scores, targets, strict=True):
        p = np.exp(x) / np.exp(x).sum()
        rows.append(-sum(np.log(p[c]) / y.sum() for c in range(CLASSES) if y[c]))
    return sum(rows) / len(rows)


def by_element(of_positive, of_negative):
    def loss(scores, targets):
        return sum(of_positive(x) if y else of_negative(x) for x, y in zip(scores.ravel(), targets.ravel(), strict=True)) / targets.size

    return loss


def above(p):
    return p - 0.05 if p.real > 0.05 else 0.0


def zlpr(scores, targets):
    pairs = list(zip(scores, targets, strict=True))
    return sum(np.log(1 + np.exp(x[y == 0]).sum()) + np.log(1 + np.exp(-x[y == 1]).sum()) for x, y in pairs) / len(pairs)


PLAIN = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "binary_cross_entropy": by_element(lambda x: -np.log(sigmoid(x)), lambda x: -np.log(1 - sigmoid(x))),
    "focal": by_element(
        lambda x: -0.25 * (1 - sigmoid(x)) ** 2 * np.log(sigmoid(x)),
        lambda x: -0.75 * sigmoid(x) ** 2 * np.log(1 - sigmoid(x)),
    ),
    "asymmetric": by_element(
        lambda x: -(1 - sigmoid(x)) * np.log(sigmoid(x)),
        lambda x: -(above(sigmoid(x)) ** 4) * np.log(1 - above(sigmoid(x))),
    ),
    "zlpr": zlpr,
}


def network(weights, features, hidden):
    """Scores from all weights in one row; a hidden unit is on where the real part of its sum is above 0."""
    rows = []
    for v in features:
        w = iter(weights)
        first = [[next(w) for _ in range(INPUTS)] for _ in range(hidden)]
        sums = [next(w) + sum(a * b for a, b in zip(row, v, strict=True)) for row in first]
        h = [s if s.real > 0 else 0.0 for s in sums]
        second = [[next(w) for _ in range(hidden)] for _ in range(CLASSES)]
        rows.append([next(w) + sum(a * b for a, b in zip(row, h, strict=True)) for row in second])
    return np.array(rows)


def trained(loss, recipe):
    """README.md, step by step."""
    x = recipe.seed

    def drawn():
        nonlocal x
        x = (1664525 * x + 1013904223) % 2**32
        return x

    sizes = [(recipe.hidden * INPUTS, INPUTS), (recipe.hidden, INPUTS), (CLASSES * recipe.hidden, recipe.hidden), (CLASSES, recipe.hidden)]
    weights = np.array([(drawn() / 2**31 - 1) / np.sqrt(inputs) for count, inputs in sizes for _ in range(count)])
    order, total = list(range(ROWS)), 0.0
    for _ in range(recipe.epochs):
        for i in range(ROWS - 1, 0, -1):
            j = int(drawn() * (i + 1) / 2**32)
            order[i], order[j] = order[j], order[i]
        total = 0.0
        for start in range(0, ROWS, recipe.batch):
            rows = order[start : start + recipe.batch]
            moved = [weights + 1j * STEP * (np.arange(len(weights)) == k) for k in range(len(weights))]
            values = [loss(network(each, FEATURES[rows], recipe.hidden), TARGETS[rows]) for each in moved]
            total += len(rows) * values[0].real
            weights = weights - recipe.rate * np.array([value.imag for value in values]) / STEP
    return weights, total / ROWS


@pytest.mark.parametrize("name", LOSSES)
def test_the_reference_comes_to_the_weights_and_the_loss_of_the_plain_training(name):
    recipe = Recipe(loss=name, epochs=3, batch=3, hidden=5, rate=0.7, seed=11)
    weights, loss = trained(PLAIN[name], recipe)
    found = reference.train(FEATURES, TARGETS, recipe)
    np.testing.assert_allclose(found.weights, weights, rtol=0, atol=1e-13)
    assert found.loss == pytest.approx(loss, abs=1e-13)


def test_every_loss_of_the_reference_has_a_plain_one():
    assert PLAIN.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_what_the_reference_computes_in_is_float64(name):
    scores = torch.zeros(2, 3, dtype=torch.float64)
    assert LOSSES[name](scores, torch.eye(2, 3, dtype=torch.float64)).dtype == torch.float64


def test_scores_of_weights_in_a_row_are_those_of_the_network():
    recipe = Recipe(hidden=5)
    weights = np.random.default_rng(5).normal(size=5 * INPUTS + 5 + CLASSES * 5 + CLASSES)
    expected = network(weights, FEATURES, recipe.hidden)
    np.testing.assert_allclose(reference.scores(weights, FEATURES, recipe, CLASSES), expected, atol=1e-13)


def test_training_leaves_torch_with_the_threads_that_it_had():
    before = torch.get_num_threads()
    reference.train(FEATURES, TARGETS, Recipe(epochs=1))
    assert torch.get_num_threads() == before
