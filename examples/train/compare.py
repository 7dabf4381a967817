"""Train in every language with gradients from a service, and compare the weights with the same training in PyTorch.

`python examples/train/compare.py --url URL` prints a table. The first loss on the first data set is trained in every wire format,
precision and runtime, every other one once a language. Exit status 1 where weights differ by more than LARGEST or a program fails.
"""

import argparse
import itertools
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples.train import data, measures, programs, reference
from examples.train.arff import WANTED, DataError
from examples.train.data import Data
from examples.train.programs import NotInstalled, ProgramError, Way
from examples.train.reference import Recipe, Trained
from examples.train.tables import COLUMNS, PYTORCH, Line, cells_of, markdown, shown, summary

HERE = Path(__file__).resolve().parent
LARGEST = {"float64": 1e-10, "float32": 1e-5}  # difference of any weight, and of the loss at the end
WAYS = [Way(*way) for way in itertools.product(("binary", "json"), LARGEST, ("pytorch", "onnx"))]
QUICK = [WAYS[0], WAYS[-1]]


@dataclass(frozen=True)
class Task:
    """A data set and a recipe, the file that the programs read, and what they must come to."""

    data: Data
    recipe: Recipe
    file: Path
    wanted: Trained


def tasks(sources: list[str], recipes: list[Recipe], folder: Path) -> Iterator[Task]:
    """Each data set with each recipe, trained in PyTorch."""
    for source in sources:
        loaded = data.load(source)
        file = folder / loaded.name
        data.write(loaded.train, file)
        for recipe in recipes:
            yield Task(loaded, recipe, file, reference.train(loaded.train.features, loaded.train.targets, recipe))


def lines(task: Task, languages: dict[str, Path], ways: list[Way], url: str) -> Iterator[Line]:
    """PyTorch's line, then each language's."""
    yield Line({**cells(task, task.wanted), "language": PYTORCH, "dtype": "float64"})
    for (language, program), way in itertools.product(languages.items(), ways):
        here = {"data": task.data.name, "loss": task.recipe.loss, "language": language, **asdict(way)}
        try:
            trained, requests = programs.train(program, url, task.file, task.recipe, way)
            yield judged(task, trained, requests, here)
        except NotInstalled as error:
            yield Line({**here, "verdict": f"skipped: {error}"}, skipped=True)
        except ProgramError as error:
            yield Line({**here, "verdict": f"FAILED: {error}"}, failed=True)


def judged(task: Task, trained: Trained, requests: int, here: dict[str, str]) -> Line:
    """Whether this is what PyTorch came to, within what the precision allows."""
    weights, batches = len(task.wanted.weights), task.recipe.epochs * -(-len(task.data.train.features) // task.recipe.batch)
    if (len(trained.weights), requests) != (weights, batches):
        raise ProgramError(f"{len(trained.weights)} weights from {requests} requests; this training has {weights}, from {batches}")
    difference, largest = float(np.abs(trained.weights - task.wanted.weights).max()), LARGEST[here["dtype"]]
    of_loss = abs(trained.loss - task.wanted.loss)
    verdict = f"FAILED: differs by more than {largest:.0e}" if difference > largest else "ok"
    if of_loss > largest:
        verdict = f"FAILED: the loss at the end differs by {of_loss:.1e}, more than {largest:.0e}"
    filled = {**cells(task, trained), **here, "difference": f"{difference:.1e}", "verdict": verdict}
    return Line(filled, difference, failed=verdict != "ok")


def cells(task: Task, trained: Trained) -> dict[str, str]:
    """The cells that every training fills; the measures are of the test part."""
    test, loss = task.data.test, task.recipe.loss
    scores = reference.scores(trained.weights, test.features, task.recipe, len(task.data.classes))
    measured = {name: f"{value:.4f}" for name, value in measures.measured(loss, scores, test.targets).items()}
    return {"data": task.data.name, "loss": loss, **measured, "seconds": f"{trained.seconds:.2f}"}


def check_service(url: str) -> None:
    """Whether one is ready there, before anything is trained."""
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health/ready", timeout=10).close()
    except (OSError, ValueError) as error:
        raise DataError(
            f"no service is ready at {url} ({error}); `make serve` starts one, and --url or GRADWIRE_URL names another"
        ) from None


def trainings(options: argparse.Namespace) -> Iterator[Line]:
    """Everything that the options ask for."""
    names = options.losses or (["softmax_cross_entropy"] if options.quick else list(reference.LOSSES))
    recipes = [replace(Recipe(epochs=2) if options.quick else Recipe(), loss=name) for name in names]
    languages = programs.installed(options.programs, options.language)
    check_service(options.url)
    with tempfile.TemporaryDirectory() as folder:
        for number, task in enumerate(tasks(options.data, recipes, Path(folder))):
            ways = QUICK if options.quick else WAYS
            yield from lines(task, languages, ways if number == 0 else ways[:1], options.url)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("compare.py", description="Train in every language, and compare the weights with PyTorch's.")
    url = os.environ.get("GRADWIRE_URL", "http://127.0.0.1:8000")
    parser.add_argument("--url", default=url, help="the service (default: $GRADWIRE_URL, or %(default)s)")
    parser.add_argument("--data", nargs="+", default=["digits"], metavar="DATA", help=f"`digits` (the default), folders with {WANTED}")
    parser.add_argument("--language", default="all", metavar="NAMES", help="with commas between them (default: all)")
    losses = [*reference.LOSSES]
    parser.add_argument("--losses", nargs="+", choices=losses, metavar="LOSS", help=f"default: all of {', '.join(losses)}")
    parser.add_argument("--quick", action="store_true", help="2 epochs, two of the ways to talk to the service, softmax_cross_entropy")
    parser.add_argument("--strict", action="store_true", help="a language that is not installed is a failure")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--programs", type=Path, default=HERE, metavar="FOLDER", help="where <language>/train are (default: beside this)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """See above."""
    options = parsed(arguments)
    found: list[Line] = []
    try:
        if options.out:
            options.out.touch()  # rather now than after all the training
        print(shown(list(COLUMNS)))
        for line in trainings(options):
            print(shown(cells_of(line)), flush=True)
            found.append(line)
        print(f"\n{summary(found, LARGEST)}")
        if options.out:
            options.out.write_text(markdown(found, LARGEST))
    except (DataError, ProgramError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(any(line.failed or (options.strict and line.skipped) for line in found))


if __name__ == "__main__":
    sys.exit(main())
