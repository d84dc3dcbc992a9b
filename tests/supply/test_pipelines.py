"""Each service has a pipeline of its own. All have one shape, and run one workflow."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop.new_service.write import write_pipeline

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
MODEL = "inventory"
JOBS = {
    "lint": ["make lint"],
    "test": ['make "test-${SERVICE}"'],
    "contracts": ["make contracts", "git diff --exit-code -- contracts"],
    "image": ['docker compose build "${SERVICE}"'],
    "can-i-deploy": ['.ci/can-i-deploy "${SERVICE}"'],
}
"""Job of service.yml → its commands."""
SHOP = """#!/usr/bin/env bash
echo "shop $*" >>calls
[[ "$1" != can-i-deploy ]] || exit "${ANSWER:-0}"
"""


def pipeline_faults(name: str, text: str) -> list[str]:
    """The differences of a service's pipeline from that of the model."""
    model = (FOLDER / f"{MODEL}.yml").read_text().replace(MODEL, name)
    return [] if text == model else [f"{name}.yml differs from {MODEL}.yml in more than the name"]


def workflow(name: str) -> dict[Any, Any]:
    """A workflow as data. YAML reads its key `on` as true."""
    read: dict[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return read


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_a_pipeline_of_one_shape(service: str) -> None:
    assert pipeline_faults(service, (FOLDER / f"{service}.yml").read_text()) == []


def test_a_pipeline_of_another_shape_is_seen() -> None:
    text = (FOLDER / "orders.yml").read_text()
    assert pipeline_faults("orders", text.replace("      - libs/**\n", "", 1)) != []


def test_no_pipeline_is_left_of_a_service_that_is_gone() -> None:
    called = {
        path.stem
        for path in FOLDER.glob("*.yml")
        if "uses: ./.github/workflows/service.yml" in path.read_text()
    }
    assert sorted(called) == SERVICES


def test_the_paths_of_a_pipeline_exist() -> None:
    pipeline = workflow("orders")
    for trigger in pipeline[True].values():
        for path in trigger["paths"]:
            assert (ROOT / path.removesuffix("/**")).exists(), path
    assert pipeline[True]["push"]["paths"] == pipeline[True]["pull_request"]["paths"]
    assert not any("services/inventory" in path for path in pipeline[True]["push"]["paths"])


def test_the_workflow_of_a_service_has_each_step_to_a_deployment() -> None:
    jobs = workflow("service")["jobs"]
    ran = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert ran == JOBS
    assert jobs["can-i-deploy"]["needs"] == ["test", "contracts"]


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_workflow_runs_exists(service: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for commands in JOBS.values():
        for command in commands:
            if target := re.fullmatch(r"make ([a-z-]+)", command):
                assert f"\n{target[1]}:" in makefile
    assert service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert os.access(ROOT / ".ci/can-i-deploy", os.X_OK)


def test_a_new_service_gets_a_pipeline_of_the_same_shape(tmp_path: Path) -> None:
    write_pipeline("specimen", ROOT, tmp_path)
    text = (tmp_path / ".github/workflows/specimen.yml").read_text()
    assert pipeline_faults("specimen", text) == []
    assert yaml.safe_load(text)["jobs"]["pipeline"]["with"] == {"service": "specimen"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as far as .ci/can-i-deploy looks at it. Its `make` and `shop` write down what they are asked."""
    for program, text in {
        ".venv/bin/shop": SHOP,
        "bin/make": '#!/usr/bin/env bash\necho "make $*" >>calls\n',
    }.items():
        file = tmp_path / program
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/can-i-deploy", tmp_path / ".ci")
    for release in ("orders/0.9.0", "orders/0.10.0", "payments/0.1.0"):
        file = tmp_path / "releases" / f"{release}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "services/payments").mkdir(parents=True)
    return tmp_path


def ask(clone: Path, version: str, answer: int = 0) -> tuple[int, list[str]]:
    """(exit code, calls) of the script for payments, whose manifest has this version."""
    (clone / "services/payments/pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    environment = {"PATH": f"{clone / 'bin'}:{os.environ['PATH']}", "ANSWER": str(answer)}
    done = subprocess.run([clone / ".ci/can-i-deploy", "payments"], env=environment, check=False)
    return done.returncode, (clone / "calls").read_text().splitlines()


def test_the_question_is_asked_where_all_others_run_their_last_release(clone: Path) -> None:
    assert ask(clone, "0.1.0") == (
        0,
        ["make up", "shop deploy orders 0.10.0", "shop can-i-deploy payments 0.1.0 --to embedded"],
    )


def test_a_version_that_was_raised_is_released_first(clone: Path) -> None:
    _, calls = ask(clone, "0.2.0")
    assert calls[1] == "shop release payments"
    assert calls[-1] == "shop can-i-deploy payments 0.2.0 --to embedded"


def test_a_no_fails_the_pipeline(clone: Path) -> None:
    code, _ = ask(clone, "0.1.0", answer=1)
    assert code == 1


def test_a_service_that_there_is_not_is_one_sentence(clone: Path) -> None:
    done = subprocess.run(
        [clone / ".ci/can-i-deploy", "billing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "there is no service 'billing'" in done.stderr
