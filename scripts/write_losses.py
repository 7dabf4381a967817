"""`python scripts/write_losses.py` writes docs/losses.md, the plots in docs/losses/ and the README's table from the catalogue.

`--check` says what differs.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from models.catalogue import catalogue  # noqa: E402
from models.contract import Job, Loss  # noqa: E402
from models.runtimes.pytorch import PyTorch  # noqa: E402

WIDTH, HEIGHT, EDGE = 360, 180, 24
SPAN = 6.0  # scores from -6 to 6
POINTS = 121
LABELS = {
    "real": "any real number",
    "unit": "0 to 1",
    "binary": "0 or 1",
    "single": "one label a row",
    "distribution": "0 to 1, with the sum 1 a row",
    "scores": "a teacher's scores, as `targets`",
}
HEAD = """# Losses

Written by `python scripts/write_losses.py` from `models/losses/`; [semantics.md](semantics.md) says what masks, weights and means do.
`x` are the scores, `y` the labels, `t` the labels as the loss weighs them, `w` class weights, `p` the softmax and `σ` the sigmoid of the
scores, `P` and `N` the positive and negative classes of a row. [choosing.md](choosing.md) has measurements on real data.

In the plots one score moves from −6 to 6. An element loss is shown for a positive label (blue) and a negative one (orange). Of the others,
one class of three moves beside two at 0, and its row has the label there (blue) or at the second class (orange). The lines are the loss,
the dashes its derivative.
"""
TABLE = re.compile(r"\| name \| unit \| labels \|[^\n]*(?:\n\|[^\n]*)*")
NUMBER = re.compile(r"-?\d+\.\d+")


def curve(loss: Loss, runtime: PyTorch, *, positive: bool) -> tuple[Any, Any]:
    """The loss and its derivative by the score that moves, at each point."""
    x = np.linspace(-SPAN, SPAN, POINTS)
    by_element = loss.about.unit == "element"
    scores = np.stack([x, np.zeros(POINTS), np.zeros(POINTS)], axis=1)
    label = np.array([float(positive), 0.0 if by_element else float(not positive), 0.0])
    if loss.about.targets == "scores":
        label = label * 3
    found = [one(loss, runtime, scores[i : i + 1], label[None]) for i in range(POINTS)]
    return np.array([each[0] for each in found]), np.array([each[1] for each in found])


def one(loss: Loss, runtime: PyTorch, scores: Any, targets: Any) -> tuple[float, float]:
    """The loss of a row, or of its first element, and the derivative by the first score."""
    job = Job(loss=loss, scores=scores, targets=targets, params=dict(loss.about.example), reduction="none", dtype="float64")
    result = runtime.run(job)
    assert result.grad is not None
    return float(np.ravel(result.loss)[0]), float(result.grad[0, 0])


def svg(loss: Loss, runtime: PyTorch) -> str:
    """A plot that needs no program to be looked at."""
    curves = [(curve(loss, runtime, positive=positive), colour) for positive, colour in ((True, "#1f6fb4"), (False, "#d9730d"))]
    every = np.concatenate([values for pair, _ in curves for values in pair])
    low, high = float(np.clip(every.min(), -6, 0)), float(np.clip(every.max(), 0.1, 6))

    def points(values: Any) -> str:
        x = EDGE + (WIDTH - 2 * EDGE) * np.linspace(0, 1, POINTS)
        y = EDGE + (HEIGHT - 2 * EDGE) * (high - np.clip(values, low, high)) / (high - low)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

    def height(value: float) -> float:
        return EDGE + (HEIGHT - 2 * EDGE) * (high - value) / (high - low)

    lines = [
        f'<polyline points="{points(values)}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'
        for (value, grad), colour in curves
        for values, dash in ((value, ""), (grad, ' stroke-dasharray="4 3"'))
    ]
    zero, middle = height(0.0), WIDTH / 2
    axes = [
        f'<path d="M{EDGE} {zero:.1f}H{WIDTH - EDGE}M{middle:g} {EDGE}V{HEIGHT - EDGE}" stroke="#999" stroke-width="0.7"/>',
        *(f'<text x="{x:g}" y="{zero + 11:.1f}">{name}</text>' for x, name in ((EDGE, "−6"), (WIDTH - EDGE - 6, "6"))),
        *(f'<text x="{middle + 3:g}" y="{height(each) + 3:.1f}">{each:.2g}</text>' for each in (low, high) if each),
    ]
    style = "<style>text{font:9px sans-serif;fill:#777}</style>"
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', style, *axes, *lines, "</svg>", ""])


def section(loss: Loss) -> str:
    """What there is to know of one loss."""
    about = loss.about
    names = ", ".join(f"`{each}`" for each in about.aliases)
    facts = [
        f"**Use**: {about.use}",
        f"- **Loss**: `{about.formula}`\n- **Gradient**: `{about.gradient}`",
        f"- **Unit** {about.unit}; **labels** {LABELS[about.targets]}; **mean** over "
        + ("the label's class weights with single labels, else " if about.class_weighted_mean else "")
        + ("nothing: it is one number" if about.unit == "batch" else about.mean_over),
        f"- **Also called** {names}" if names else "",
        f"- **Paper**: {about.paper}",
    ]
    text = (
        f"## {loss.name}\n\n{loss.summary}\n\n$$\n{about.latex}\n$$\n\n" + facts[0] + "\n\n" + "\n".join(each for each in facts[1:] if each)
    )
    return f"{text}\n\n{parameters(loss)}![{loss.name}](losses/{loss.name}.svg)\n"


def parameters(loss: Loss) -> str:
    """A table of the parameters, or nothing."""
    schema = loss.params.model_json_schema()
    rows = [f"| `{name}` | {shown(each, name in schema.get('required', []))} |" for name, each in schema.get("properties", {}).items()]
    return "\n".join(["| parameter | |", "|---|---|", *rows]) + "\n\n" if rows else ""


def shown(about: dict[str, Any], needed: bool) -> str:
    """A parameter's default and range."""
    default = "needed" if needed else f"default `{json.dumps(about.get('default'))}`"
    return "; ".join([default, *ranges(about)])


def ranges(about: dict[str, Any]) -> Iterable[str]:
    """What a parameter may be."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for each in about.get("anyOf", [about]):
        kind = each.get("type")
        if "enum" in each:
            yield " or ".join(f"`{json.dumps(value)}`" for value in each["enum"])
        elif kind == "array":
            yield " ".join(["a number for each class", *ranges(each["items"])]).replace("class a number", "class,")
        elif kind == "null":
            yield "or `null`"
        elif kind == "boolean":
            yield "`true` or `false`"
        else:
            yield " ".join(["a number", *(f"{sign} {each[word]:g}" for word, sign in signs.items() if word in each)])


def with_table(readme: str) -> str:
    """The README with its table of losses anew."""
    rows = []
    for each in catalogue().values():
        properties = each.params.model_json_schema().get("properties", {})
        own = ", ".join(
            f"`{name}`" + (f" {json.dumps(about['default'])}" if "default" in about else "") for name, about in properties.items()
        )
        about = each.about
        labels = about.targets if about.targets in ("real", "scores") else LABELS[about.targets]
        rows.append(f"| `{each.name}` | {about.unit} | {labels} | {own} | {', '.join(f'`{alias}`' for alias in about.aliases)} |")
    table = "\n".join(["| name | unit | labels | parameters | aliases |", "|---|---|---|---|---|", *rows])
    return TABLE.sub(lambda _: table, readme, count=1)


def written() -> dict[Path, str]:
    """Every file and its text."""
    runtime = PyTorch()
    losses = catalogue().values()
    table = ["| loss | unit | labels | use |", "|---|---|---|---|"]
    table += [f"| [{each.name}](#{each.name}) | {each.about.unit} | {LABELS[each.about.targets]} | {each.about.use} |" for each in losses]
    page = "\n".join([HEAD, *table, "", *(section(each) for each in losses)])
    readme = ROOT / "README.md"
    return {readme: with_table(readme.read_text()), ROOT / "docs" / "losses.md": page} | {
        ROOT / "docs" / "losses" / f"{each.name}.svg": svg(each, runtime) for each in losses
    }


def same(old: str, new: str) -> bool:
    """The same text; what a plot measures may differ by a hair, as arithmetic does from one processor to another."""
    if NUMBER.sub("", old) != NUMBER.sub("", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(abs(float(a) - float(b)) < 0.2 for a, b in pairs)


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is not what would be written")
    check = parser.parse_args().check
    differ = [file for file, text in written().items() if not file.is_file() or not same(file.read_text(), text)]
    if not check:
        (ROOT / "docs" / "losses").mkdir(exist_ok=True)
        for file, text in written().items():
            file.write_text(text)
    print(f"{len(differ)} files {'differ' if check else 'written anew'}", *sorted(str(each.relative_to(ROOT)) for each in differ))
    return int(check and bool(differ))


if __name__ == "__main__":
    sys.exit(main())
