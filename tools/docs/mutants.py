"""Writes the table of docs/mutants.md from chaos/mutants and the last committed run of `shop mutate`.

Run it in an environment in which shop_mutants is installed: `python tools/docs/mutants.py [--check]`.
With --check it writes nothing: the exit code is 1 if the page differs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/mutants.md"
RUN = ROOT / "docs/mutants/last-run.json"
BEGIN = "<!-- mutants: written by `make pictures` from docs/mutants/last-run.json -->"
END = "<!-- end of the mutants -->"
PATTERN = "pattern"

Mutant = dict[str, Any]


def table(mutants: Sequence[Mutant]) -> str:
    """One row for each mutant, those of patterns first."""
    rows = ["| Mutant | Takes away | Found by | Caught by | Verdict |", "|---|---|---|---|---|"]
    for mutant in sorted(mutants, key=lambda mutant: mutant["from"] != PATTERN):
        cells = (
            f"`{mutant['name']}`",
            mutant["without"],
            _origin(mutant["from"]),
            "<br>".join(f"`{node}`" for node in mutant["caught_by"]),
            mutant["verdict"],
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _origin(page: str) -> str:
    if page == PATTERN:
        return PATTERN
    name = Path(page)
    text = name.name[:4] if name.parent.name == "decisions" else name.parent.name.replace("docs", name.stem)
    return f"[{text}]({name.relative_to('docs')})"


def with_table(page: str, mutants: Sequence[Mutant]) -> str:
    """The text of the page with a new table. Raises ValueError if the page lacks the lines BEGIN and END."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN!r} and {END!r}.")
    return f"{before}{BEGIN}\n\n{table(mutants)}\n\n{END}{after}"


def main() -> int:
    """Write the page. With --check only say whether it differs. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = with_table(PAGE.read_text(), json.loads(RUN.read_text())["mutants"])
    if wanted == PAGE.read_text():
        return 0
    print(PAGE.relative_to(ROOT))
    if not check:
        PAGE.write_text(wanted)
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
