"""The files of chaos/ are what their schemas and Chaos Toolkit want, and a mistake is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shop_chaos import catalogue, needs, runner
from shop_chaos.catalogue import Experiment
from shop_chaos.injectors import INJECTORS, arguments_of, of
from shop_chaos.measured import MEASURED
from shop_stack.errors import UserError

EXPERIMENTS = catalogue.experiments()


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_an_experiment_is_one_of_chaos_toolkit(experiment: Experiment) -> None:
    runner.check(experiment)
    assert experiment.expected == "holds" or experiment.name.startswith("planted/")


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_an_experiment_gives_its_injectors_arguments_that_they_take(experiment: Experiment) -> None:
    for step in experiment.document["method"]:
        arguments = dict(step["provider"].get("arguments", {}))
        if step["provider"]["func"] == "inject":
            fault = catalogue.faults().of(arguments.pop("fault"))
            of(fault.targets["embedded"]["injector"], arguments)
        if step["provider"]["func"] == "measure":
            assert arguments["experiment"] in MEASURED


def test_every_injector_of_the_catalogue_exists_and_every_injector_is_used() -> None:
    named = {way["injector"] for fault in catalogue.faults() for way in fault.targets.values()}
    assert named == set(INJECTORS)


def test_a_fault_without_an_injection_says_what_it_needs() -> None:
    silent = [fault.id for fault in catalogue.faults() if not fault.targets and not fault.needs]
    assert silent == []


def test_a_fault_that_lacks_what_must_be_seen_is_refused_with_its_file(tmp_path: Path) -> None:
    fault = yaml.safe_load((catalogue.folder() / "faults" / "kill.yaml").read_text())
    del fault["must_be_seen"]
    (tmp_path / "kill.yaml").write_text(yaml.safe_dump(fault))
    with pytest.raises(UserError, match=r"kill\.yaml: the document: 'must_be_seen' is a required property"):
        catalogue.read_faults(tmp_path)


def test_a_fault_whose_id_is_not_the_name_of_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text((catalogue.folder() / "faults" / "kill.yaml").read_text())
    with pytest.raises(UserError, match="it must be the name of the file"):
        catalogue.read_faults(tmp_path)


def test_an_experiment_with_a_fault_that_the_catalogue_lacks_is_refused(tmp_path: Path) -> None:
    text = (catalogue.folder() / "experiments" / "kafka-killed.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("fault: kill", "fault: unheard-of"))
    with pytest.raises(UserError, match="There is no fault 'unheard-of'"):
        catalogue.experiment(str(file))


def test_a_file_that_is_missing_or_no_yaml_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="check its name"):
        catalogue.experiment(str(tmp_path / "gone.yaml"))
    (tmp_path / "broken.yaml").write_text("title: [")
    with pytest.raises(UserError, match="is not YAML"):
        catalogue.experiment(str(tmp_path / "broken.yaml"))


@pytest.mark.parametrize(
    ("func", "arguments", "said"),
    [
        ("inject", None, "'arguments' is a required property"),
        ("inject", {"part": "kafka"}, "'fault' is a required property"),
        ("inject", "kill", "'kill' is not of type 'object'"),
        ("wait", {"seconds": "six"}, "'six' does not match"),
        ("wait", {}, "'seconds' is a required property"),
    ],
)
def test_a_step_with_wrong_arguments_is_refused_with_its_place(
    tmp_path: Path, func: str, arguments: object, said: str
) -> None:
    document = dict(catalogue.experiment("kafka-killed").document)
    provider = {"type": "python", "module": "shop_chaos.activities", "func": func, "arguments": arguments}
    if arguments is None:
        del provider["arguments"]
    document["method"] = [{"type": "action", "name": "a step", "provider": provider}]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match=f"mine.yaml: method.0.provider.*{said}"):
        catalogue.experiment(str(tmp_path / "mine.yaml"))


def test_the_arguments_of_a_fault_can_be_listed() -> None:
    edge = catalogue.faults().of("edge").targets["embedded"]
    assert arguments_of(edge) == {"server": "required", "client": "", "seconds": 4.0}
    assert arguments_of(None) == {}


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(bytes([0xFF, 0xFE, 0x00]))
    with pytest.raises(UserError, match=r"mine\.yaml is not YAML"):
        catalogue.experiment(str(tmp_path / "mine.yaml"))


def test_arguments_that_an_injector_does_not_take_are_refused() -> None:
    with pytest.raises(UserError, match="does not take"):
        of("kill", {"part": "orders", "color": "red"})
    with pytest.raises(UserError, match="There is no injector 'explode'"):
        of("explode", {})


def test_an_experiment_whose_fault_needs_what_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = catalogue.experiment("kafka-killed")
    assert needs.missing(experiment) == ""
    monkeypatch.setenv("SHOP_TARGET", "k8s")
    assert needs.missing(catalogue.experiment("freeze-servers")) == "freeze has no injection for k8s"
    kill = catalogue.faults().of("kill")
    monkeypatch.setitem(
        catalogue.faults().by_id, "kill", catalogue.Fault(**{**vars(kill), "needs": ["libfaketime"]})
    )
    monkeypatch.setitem(needs.HERE, "libfaketime", lambda: False)
    assert needs.missing(experiment) == "kill needs libfaketime"
