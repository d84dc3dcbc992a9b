"""The scores of mutmut are counted from its own files, and its settings name what is there."""

import json
import tomllib
from pathlib import Path

import pytest

from shop_mutants.scores import PARTS, Part, configuration, main, score
from shop_stack.paths import repository


def test_a_score_counts_what_was_killed_and_names_what_was_left(tmp_path: Path) -> None:
    file = tmp_path / "domain.py.meta"
    codes = {"a": 1, "b": 3, "c": 0, "d": 33, "e": -24, "f": None, "g": -11}
    file.write_text(json.dumps({"exit_code_by_key": codes}))
    found = score("orders", [file])
    assert found.counts == {"killed": 2, "survived": 1, "no tests": 1, "timeout": 1, "no verdict": 2}
    assert found.percent == pytest.approx(300 / 7)
    assert found.left == ("c", "d", "f", "g")
    assert found.as_json()["mutants"] == 7


def test_a_part_without_mutants_has_no_score(tmp_path: Path) -> None:
    assert score("orders", []).percent == 0.0


@pytest.mark.parametrize("name", PARTS)
def test_each_part_names_files_and_tests_that_exist(name: str) -> None:
    part = PARTS[name]
    project = repository() / part.project
    for path in (*part.files, *part.tests):
        assert (project / path).exists(), path
    for node in part.left_out:
        file, test = node.split("::")
        assert f"def {test}(" in (project / file).read_text()


def test_the_settings_are_those_of_the_part() -> None:
    part = Part("services/orders", ("src/orders/domain.py",), ("tests/unit",), ("tests/unit/a.py::test_a",))
    settings = tomllib.loads(configuration(part))["tool"]
    assert settings["mutmut"]["only_mutate"] == ["src/orders/domain.py"]
    assert settings["mutmut"]["pytest_add_cli_args"][-2:] == ["--deselect", "tests/unit/a.py::test_a"]


def test_an_unknown_part_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["shipping"])
    assert "no part shipping: choose from orders" in capsys.readouterr().err
