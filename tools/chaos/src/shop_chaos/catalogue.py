"""The faults of chaos/faults and the experiments of chaos/experiments, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from shop_chaos import schemas
from shop_load.client import PATIENCE
from shop_stack.connect import chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import repository

ACTIVITIES = "shop_chaos.activities"
PLANTED = "planted"
"""The folder of experiments whose verdict must not be `holds`: they prove that the runner can see it."""


@dataclass(frozen=True)
class Fault:
    """A fault of the catalogue."""

    id: str
    what: str
    targets: Mapping[str, Mapping[str, str]]
    """Target → how it is injected there."""
    must_be_seen: Mapping[str, int]
    """Name of a count → its least value for each injection."""
    expected: str
    invariants_at_risk: Sequence[int]
    cure: str
    needs: Sequence[str]

    @property
    def injector(self) -> str:
        """The injector for the chosen target. Raises UserError if there is none."""
        target = chosen_kind()
        if target not in self.targets:
            raise UserError(f"The fault {self.id} has no injection for {target}: choose another target.")
        return self.targets[target]["injector"]


@dataclass(frozen=True)
class Faults:
    """All faults of the catalogue."""

    by_id: Mapping[str, Fault]

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.by_id.values())

    def of(self, id: str) -> Fault:
        """The fault with this id. Raises UserError if there is none."""
        if id not in self.by_id:
            raise UserError(f"There is no fault {id!r}: `shop chaos list` prints the catalogue.")
        return self.by_id[id]


@dataclass(frozen=True)
class Experiment:
    """An experiment: the document for Chaos Toolkit, and what this repository adds to it."""

    name: str
    """The file's name without its ending; `planted/` comes before the name of a planted one."""
    document: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What must hold, one sentence."""
        return str(self.document["title"])

    @property
    def own(self) -> Mapping[str, Any]:
        """Its entry `shopfloor`."""
        own: Mapping[str, Any] = self.document["extensions"][0]
        return own

    @property
    def expected(self) -> str:
        """The verdict that it must have."""
        return str(self.own.get("expected", "holds"))

    @property
    def is_quick(self) -> bool:
        """Whether it is a part of `make chaos`."""
        return bool(self.own.get("quick", False))

    @property
    def configuration(self) -> dict[str, Any]:
        """The values that `--set` can replace."""
        return dict(self.document.get("configuration", {}))

    @property
    def look_seconds(self) -> float:
        """Seconds between two looks at the invariants that hold at every moment; 0: as many as usual."""
        return float(self.own.get("look_seconds", 0))

    @property
    def patience_seconds(self) -> float:
        """How long a customer repeats a request without an answer."""
        return float(self.own.get("patience_seconds", PATIENCE))

    @property
    def leaves_many_orders(self) -> bool:
        """Whether its shop is removed after it, because each look at so many orders would take long."""
        return bool(self.own.get("leaves_many_orders", False))

    @property
    def brokers(self) -> int:
        """How many brokers its shop has."""
        return int(self.own.get("brokers", 1))

    @property
    def settings(self) -> dict[str, str]:
        """The settings of its shop's services, in addition to the usual ones."""
        return dict(self.own.get("settings", {}))

    @property
    def faults(self) -> list[str]:
        """The ids of the faults that it injects, each once, in the order of the method."""
        named = [
            step["provider"]["arguments"]["fault"]
            for step in self.document["method"]
            if step.get("provider", {}).get("func") == "inject"
        ]
        return list(dict.fromkeys(named + list(self.own.get("faults", []))))


def folder() -> Path:
    """The folder chaos of this clone."""
    return repository() / "chaos"


@cache
def faults() -> Faults:
    """The catalogue of this clone. Raises UserError with the file and the place of a mistake."""
    return read_faults(folder() / "faults")


def read_faults(path: Path) -> Faults:
    """The faults of a folder. Raises UserError with the file and the place of a mistake."""
    found = {}
    for file in sorted(path.glob("*.yaml")):
        document = _read(file, schemas.FAULT)
        if document["id"] != file.stem:
            raise UserError(f"{file} has the id {document['id']!r}: it must be the name of the file.")
        found[file.stem] = Fault(**document)
    return Faults(found)


def experiments(path: Path | None = None) -> list[Experiment]:
    """The experiments of this clone, or of a folder, planted ones last. Raises UserError as `read_faults` does."""
    path = path or folder() / "experiments"
    files = [*sorted(path.glob("*.yaml")), *sorted((path / PLANTED).glob("*.yaml"))]
    return [read_experiment(file, file.relative_to(path).with_suffix("").as_posix()) for file in files]


def experiment(name: str) -> Experiment:
    """The experiment of this name, or of a file that the name leads to. Raises UserError if there is none."""
    if name.endswith((".yaml", ".yml")):
        return read_experiment(Path(name), Path(name).stem)
    file = folder() / "experiments" / f"{name}.yaml"
    if not file.is_file():
        raise UserError(f"There is no experiment {name!r}: `shop chaos list` prints them.")
    return read_experiment(file, name)


def read_experiment(file: Path, name: str) -> Experiment:
    """The experiment of a file. Raises UserError with the file and the place of a mistake."""
    found = Experiment(name, _read(file, schemas.EXPERIMENT))
    for fault in found.faults:
        faults().of(fault)
    return found


def _read(file: Path, schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
        jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): check its name.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {error}") from None
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path)) or "the document"
        raise UserError(f"{file}: {place}: {error.message}. Compare it with the files beside it.") from None
    checked: dict[str, Any] = document
    return checked
