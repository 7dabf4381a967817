"""docs/losses.md is what the catalogue says, and has a section and a plot for every loss."""

import subprocess
import sys
from pathlib import Path

from models.catalogue import catalogue

ROOT = Path(__file__).parent.parent


def test_the_page_and_the_plots_are_those_of_the_catalogue() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "write_losses.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run python scripts/write_losses.py: {done.stdout}{done.stderr}"


def test_every_loss_has_its_section_with_all_that_it_says_of_itself() -> None:
    page = (ROOT / "docs" / "losses.md").read_text()
    for name, loss in catalogue().items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        about = loss.about
        for text in (about.latex, about.formula, about.gradient, about.paper, about.use, *about.aliases, *loss.params.model_fields):
            assert text in section, (name, text)
        assert (ROOT / "docs" / "losses" / f"{name}.svg").is_file()
