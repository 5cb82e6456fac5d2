"""What the documentation names is there: files, headings, recipes."""

import re
from pathlib import Path

import pytest

from genloom.config.directory import config_directory

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RECIPES = config_directory() / "experiment"


def anchors(page: Path) -> set[str]:
    """Return what a heading is linked by: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_recipes_are_called_by_their_names(page):
    for names in re.findall(r"experiment=([\w/,…]+)", page.read_text(encoding="utf-8")):
        for name in names.split(","):
            folder = name.removesuffix("/…")
            is_there = (RECIPES / f"{name}.yaml").is_file() or (name.endswith("/…") and (RECIPES / folder).is_dir())
            assert is_there or name in ("NAME", "stripes"), name  # docs/extend.md has the reader write stripes.yaml
