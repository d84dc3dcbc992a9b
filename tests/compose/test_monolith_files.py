"""What must be true of the monolith in containers, seen without a container engine."""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/compose"
MEMORY = 1280
"""MiB that the monolith may take with everything that it stands on."""


def composed() -> dict[str, Any]:
    """deploy/compose/monolith.yml, with what it takes from docker-compose.yml."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / "monolith.yml").read_text())
    origin = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in document["services"].items():
        if extended := service.pop("extends", None):
            assert (FOLDER / extended["file"]).resolve() == ROOT / "docker-compose.yml"
            document["services"][name] = {**origin[extended["service"]], **service}
    return document


MODULES = composed()["services"]["monolith"]["environment"]["LOCAL_MODULES"].split(",")


def settings_of(module: str) -> dict[str, str]:
    lines = (FOLDER / "monolith/settings" / f"{module}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def ports_of(service: Mapping[str, Any]) -> dict[str, str]:
    """Port inside of the container → the last two figures of its port on this machine."""
    found = [
        re.fullmatch(r"127\.0\.0\.1:\$\{SHOP_PORTS:-190\}(\d\d):(\d+)", port) for port in service["ports"]
    ]
    assert all(found), service["ports"]
    return {one[2]: one[1] for one in found if one}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_ports_and_a_login_of_its_own(module: str) -> None:
    number = MODULES.index(module) + 1
    monolith = composed()["services"]["monolith"]
    assert settings_of(module) == {
        "DATABASE_URL": f"postgresql://{module}@postgres:5432/monolith",
        "DATABASE_PASSWORD_FILE": f"/run/passwords/{module}/database",
        "HTTP_PORT": f"800{number}",
        "HTTP_MANAGEMENT_PORT": f"900{number}",
    }
    published = ports_of(monolith)
    assert (published[f"800{number}"], published[f"900{number}"]) == (f"0{number}", f"2{number}")
    assert f"{module}-passwords:/run/passwords/{module}:ro" in monolith["volumes"]


def test_each_module_has_a_file_of_settings_and_the_process_runs_all_modules() -> None:
    assert sorted(file.stem for file in (FOLDER / "monolith/settings").iterdir()) == sorted(MODULES)
    command = ", ".join(f'"{name}"' for name in ("python", "-m", "chassis.group", *MODULES))
    assert f"CMD [{command}]" in (FOLDER / "monolith/Dockerfile").read_text()


def test_no_variable_of_the_process_replaces_one_of_a_module() -> None:
    """A variable of the process has precedence over the files of the modules."""
    own = {variable for module in MODULES for variable in settings_of(module)}
    dockerfile = (FOLDER / "monolith/Dockerfile").read_text()
    assert own.isdisjoint(composed()["services"]["monolith"]["environment"])
    assert [variable for variable in own if f"{variable}=" in dockerfile] == []


def test_every_module_is_migrated_as_its_owner_before_the_topics_and_the_process_start() -> None:
    services = composed()["services"]
    for module in MODULES:
        migrations = services[f"{module}-migrations"]
        assert migrations["working_dir"] == f"/app/{module}"
        address = migrations["environment"]["MIGRATION_DATABASE_URL"]
        assert re.fullmatch(rf"postgresql://{module}_owner:\S+@postgres:5432/monolith", address)
    assert services["topics"]["depends_on"].keys() == {f"{module}-migrations" for module in MODULES}
    assert "topics" in services["monolith"]["depends_on"]
    assert (
        services["monolith"]["environment"]["LOCAL_MODULES"]
        == services["topics"]["environment"]["LOCAL_MODULES"]
    )


def faults_of(document: Mapping[str, Any]) -> list[str]:
    """Containers that have more rights than they need, or no limits."""
    faults = []
    for name, service in document["services"].items():
        says = [
            (service.get("read_only") is True, "a root file system that can be written"),
            (service.get("cap_drop") == ["ALL"] and "cap_add" not in service, "capabilities"),
            (service.get("security_opt") == ["no-new-privileges:true"], "a way to new privileges"),
            ("mem_limit" in service and "cpus" in service and "pids_limit" in service, "no limits"),
            (all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), "a port for everybody"),
        ]
        faults += [f"{name} has {fault}" for is_well, fault in says if not is_well]
    return faults


def test_the_containers_are_locked_as_those_of_docker_compose_yml() -> None:
    document = composed()
    assert faults_of(document) == []
    for change, fault in (
        ({"read_only": False}, "a root file system that can be written"),
        ({"ports": ["8001:8001"]}, "a port for everybody"),
        ({"cap_add": ["NET_ADMIN"]}, "capabilities"),
    ):
        planted = copy.deepcopy(document)
        planted["services"]["monolith"] |= change
        assert faults_of(planted) == [f"monolith has {fault}"]


def test_the_monolith_takes_less_memory_than_five_services() -> None:
    lasting = [
        service
        for name, service in composed()["services"].items()
        if not name.endswith("-migrations") and name not in ("topics", "passwords")
    ]
    assert sum(int(service["mem_limit"].removesuffix("m")) for service in lasting) <= MEMORY


def test_passwords_are_those_of_practice_env() -> None:
    practice = (FOLDER / "practice.env").read_text()
    said = dict(line.split("=", 1) for line in practice.splitlines() if line and not line.startswith("#"))
    taken = set(re.findall(r"\$\{(\w+):?-([^}]*)\}", (FOLDER / "monolith.yml").read_text()))
    assert taken <= set(said.items())


def test_the_health_check_asks_each_module() -> None:
    check = next(
        line for line in (FOLDER / "monolith/Dockerfile").read_text().splitlines() if '"import socket' in line
    )
    ports = re.search(r"range\((\d+), (\d+)\)", check)
    assert ports is not None
    asked = {str(port) for port in range(int(ports[1]), int(ports[2]))}
    assert asked == {settings_of(module)["HTTP_MANAGEMENT_PORT"] for module in MODULES}
