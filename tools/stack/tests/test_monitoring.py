"""Prometheus beside a stack: its configuration, and the error if it is missing."""

import json
from pathlib import Path

import pytest
import yaml

from shop_stack import embedded, monitoring, paths
from shop_stack.errors import UserError


def test_each_service_is_read_on_its_management_port_and_named_by_a_label(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28_000)
    configured = yaml.safe_load(monitoring.configuration(stack, monitoring.rules()))
    job, _ = configured["scrape_configs"]
    targets = {target["labels"]["shop_service"]: target["targets"] for target in job["static_configs"]}
    assert targets == {name: [f"127.0.0.1:{stack.ports.management(name)}"] for name in stack.services}
    assert [Path(file).is_file() for file in configured["rule_files"]] == [True]


def test_a_program_is_read_too_until_it_ends_in_order(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28_000)
    _, job = yaml.safe_load(monitoring.configuration(stack, monitoring.rules()))["scrape_configs"]
    (pattern,) = job["file_sd_configs"][0]["files"]
    with monitoring.read_too(stack, "oracle", 28_041):
        (file,) = Path(pattern).parent.glob(Path(pattern).name)
        (group,) = json.loads(file.read_text())
        assert group == {"targets": ["127.0.0.1:28041"], "labels": {"shop_service": "oracle"}}
    assert not list(Path(pattern).parent.iterdir())


def test_without_prometheus_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "shop_folder", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="make prometheus"):
        monitoring.program()


async def test_the_program_of_the_clone_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = tmp_path / "prometheus" / "prometheus"
    built.parent.mkdir()
    built.touch()
    monkeypatch.setattr(paths, "shop_folder", lambda: tmp_path)
    assert monitoring.program() == built
    await monitoring.stop(embedded.stack(tmp_path / "state", 28_000))
