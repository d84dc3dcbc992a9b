"""What must be true of the Dockerfiles and of docker-compose.yml, seen without a container engine."""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
TOOLS = ("issuer", "processor")
"""Those whose images are built in the same way. They are outside systems in a sandbox."""
DOCKERFILES = sorted([*ROOT.glob("*/*/Dockerfile"), ROOT / "deploy/compose/monolith/Dockerfile"])
MEMORY = 2048
"""MiB that the shop with its five services may take, without the profile observability."""
MORE_MEMORY = 144
"""MiB that each service beyond the five may take in addition."""
# What a build may take in, beside the project's own folder.
SHARED = ("libs/chassis/", "contracts/topics.yaml")
MADE_OF = {
    "tools/floor": ("tools/contracts/", "tools/load/", "tools/observe/", "tools/stack/", "contracts/"),
    "deploy/compose/monolith": ("services/",),
}
"""Project → what else its image is made of: the tools in its pyproject.toml, or all services."""
# Its image is another's, and says nothing about a shell or a program to ask with.
WITHOUT_HEALTH_CHECK = {"jaeger"}


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, its arguments) of a Dockerfile, line continuations joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def dockerfile_faults(text: str, project: str) -> list[str]:
    """What a linter would say, by the few rules that matter here. `project` is the folder of the Dockerfile."""
    found = instructions(text)
    faults = [f"FROM {rest} has no version" for word, rest in found if word == "FROM" and not is_pinned(rest)]
    faults += ["ADD fetches and unpacks unseen: COPY" for word, _ in found if word == "ADD"]
    faults += [
        f"{word} is not in exec form"
        for word, rest in found
        if (word in ("CMD", "ENTRYPOINT") and not rest.startswith("["))
        or (word == "HEALTHCHECK" and "CMD [" not in rest)
    ]
    for word, rest in found:
        installs = word == "RUN" and re.search(r"\bpip [^&]*install", rest)
        if installs and not {"--require-hashes", "--only-binary"} <= set(rest.split()):
            faults.append("pip installs something that is not pinned by a hash, or has to be compiled")
        if word == "COPY" and "--from=" not in rest:
            faults += [
                f"COPY takes {source}, which is not the project's own"
                for source in rest.split()[:-1]
                if not source.startswith((f"{project}/", *SHARED, *MADE_OF.get(project, ())))
            ]
    faults += [f"{folder} keeps the modes of the clone" for folder in unread_folders(found)]
    users = [rest for word, rest in found if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        faults.append("the last USER is not a number other than 0")
    return faults


def unread_folders(found: list[tuple[str, str]]) -> list[str]:
    """Where the clone's files are copied to and the image's user could not read them.

    COPY keeps their modes, and a clone may be made under umask 077. Only root reads /tmp.
    """
    unread: list[str] = []
    for word, rest in found:
        *_, place = rest.split()
        if word == "COPY" and "--from=" not in rest and not place.startswith("/tmp/"):
            unread.append(place)
        if word == "RUN" and (opened := re.search(r"\bchmod -R a\+rX (\S+)", rest)):
            unread = [place for place in unread if not place.startswith(f"{opened[1]}/")]
    return unread


def is_pinned(image: str) -> bool:
    tag = image.split()[0].partition(":")[2]
    return bool(tag) and tag != "latest" and any(figure.isdigit() for figure in tag)


def common_dockerfile(folder: str, name: str, argument: str) -> str:
    """The Dockerfile of a service or a tool, without the one line that is its own."""
    text = (ROOT / folder / name / "Dockerfile").read_text()
    own = f"ARG {argument}={name}\n"
    assert text.count(own) == 1, f"{folder}/{name}/Dockerfile does not say {own.strip()}"
    return text.replace(own, f"ARG {argument}=\n")


def composed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def mebibytes(limit: str) -> int:
    number, unit = int(limit[:-1]), limit[-1]
    return number * {"m": 1, "g": 1024}[unit]


def one_shots(services: Mapping[str, Any]) -> set[str]:
    """Services that others wait for the end of."""
    return {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }


def memory_at_once(services: Mapping[str, Any]) -> int:
    """MiB that the limits allow at any moment: a migration has ended before its service starts."""
    total = 0
    for name, service in services.items():
        if "profiles" in service or name.endswith("-migrations"):
            continue
        before = services.get(f"{name}-migrations", {"mem_limit": "0m"})
        total += max(mebibytes(service["mem_limit"]), mebibytes(before["mem_limit"]))
    return total


def compose_faults(document: Mapping[str, Any]) -> list[str]:
    services = document["services"]
    ending = one_shots(services)
    faults = []
    for name, service in services.items():
        says = [
            (is_pinned(re.sub(r"\$\{\w+:-(\w+)\}", r"\1-0", service["image"])), "an image without a version"),
            (not service["image"].startswith("shopfloor/"), "an image of ours without a registry"),
            ("mem_limit" in service and "cpus" in service and "pids_limit" in service, "no limits"),
            (service.get("read_only") is True, "a root file system that can be written"),
            (service.get("cap_drop") == ["ALL"] and "cap_add" not in service, "capabilities"),
            (service.get("security_opt") == ["no-new-privileges:true"], "a way to new privileges"),
            ("restart" in service, "no restart policy"),
            (service.get("user") != "root" and not service.get("privileged"), "root"),
            (all(p.startswith("127.0.0.1:") for p in service.get("ports", [])), "a port for everybody"),
            (name in ending or name in WITHOUT_HEALTH_CHECK or has_health_check(service), "no health check"),
        ]
        faults += [f"{name} has {fault}" for is_well, fault in says if not is_well]
    if (memory := memory_at_once(services)) > MEMORY + MORE_MEMORY * (len(SERVICES) - 5):
        faults.append(f"the limits add up to {memory} MiB")
    return faults


TWO_PORTS = re.compile(
    r"127\.0\.0\.1:\$\{SHOP_PORTS:-190\}0(\d):8000 127\.0\.0\.1:\$\{SHOP_PORTS:-190\}2\1:9000"
)


def port_faults(service: Mapping[str, Any], dockerfile: str) -> list[str]:
    """What is wrong with the two ports of a service: 0N for customers, 2N for operators, both on this machine."""
    says = [
        (TWO_PORTS.fullmatch(" ".join(service.get("ports", []))), "it does not publish 0N and 2N"),
        ("HTTP_MANAGEMENT_PORT=9000" in dockerfile, "its management port is not 9000"),
        ("int(os.environ['HTTP_MANAGEMENT_PORT'])" in dockerfile, "its health check asks another port"),
    ]
    return [fault for is_well, fault in says if not is_well]


def has_health_check(service: Mapping[str, Any]) -> bool:
    if "healthcheck" in service:
        return "test" in service["healthcheck"]
    file = ROOT / service.get("build", {}).get("dockerfile", "-")
    return file.is_file() and any(word == "HEALTHCHECK" for word, _ in instructions(file.read_text()))


def named_project(path: Path) -> str:
    """The folder of a Dockerfile, as its own lines name it: by an argument where several files are the same."""
    if path.parent.parent.name == "services":
        return "services/${SERVICE}"
    return "tools/${TOOL}" if path.parent.name in TOOLS else str(path.parent.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_dockerfile_keeps_the_rules(path: Path) -> None:
    assert dockerfile_faults(path.read_text(), named_project(path)) == []


def test_every_service_has_a_dockerfile_and_they_differ_in_one_line() -> None:
    first, *others = [common_dockerfile("services", name, "SERVICE") for name in SERVICES]
    assert others == [first] * (len(SERVICES) - 1)


def test_the_dockerfiles_of_issuer_and_processor_differ_in_one_line() -> None:
    first, second = [common_dockerfile("tools", name, "TOOL") for name in TOOLS]
    assert first == second


def test_docker_compose_yml_keeps_the_rules() -> None:
    assert compose_faults(composed()) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_management_port_apart(name: str) -> None:
    dockerfile = (ROOT / "services" / name / "Dockerfile").read_text()
    assert port_faults(composed()["services"][name], dockerfile) == []


def test_prometheus_reads_the_management_ports() -> None:
    read = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    (job,) = read["scrape_configs"]
    assert sorted(job["static_configs"][0]["targets"]) == [f"{name}:9000" for name in SERVICES]


@pytest.mark.parametrize(
    "ports",
    [
        ["127.0.0.1:${SHOP_PORTS:-190}01:8000"],
        ["127.0.0.1:${SHOP_PORTS:-190}01:8000", "127.0.0.1:${SHOP_PORTS:-190}22:9000"],
        ["127.0.0.1:${SHOP_PORTS:-190}01:8000", "${SHOP_PORTS:-190}21:9000"],
        ["127.0.0.1:${SHOP_PORTS:-190}01:9000", "127.0.0.1:${SHOP_PORTS:-190}21:8000"],
    ],
)
def test_other_ports_of_a_service_are_seen(ports: list[str]) -> None:
    dockerfile = (ROOT / "services/orders/Dockerfile").read_text()
    assert port_faults({"ports": ports}, dockerfile) == ["it does not publish 0N and 2N"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("HTTP_MANAGEMENT_PORT=9000", "HTTP_MANAGEMENT_PORT=8000", "its management port is not 9000"),
        ("environ['HTTP_MANAGEMENT_PORT']", "environ['HTTP_PORT']", "its health check asks another port"),
    ],
)
def test_a_dockerfile_with_another_management_port_is_seen(old: str, new: str, fault: str) -> None:
    dockerfile = (ROOT / "services/orders/Dockerfile").read_text()
    assert port_faults(composed()["services"]["orders"], dockerfile.replace(old, new)) == [fault]


def test_docker_compose_yml_runs_every_service_and_migrates_it_before() -> None:
    services = composed()["services"]
    for name in SERVICES:
        assert services[name]["build"]["dockerfile"] == f"services/{name}/Dockerfile"
        assert services[f"{name}-migrations"]["image"] == services[name]["image"]
        assert {f"{name}-migrations", "topics"} <= set(services[name]["depends_on"])


def test_passwords_are_those_of_practice_env() -> None:
    """What people copy and change is what would be taken without it."""
    practice = (ROOT / "deploy/compose/practice.env").read_text()
    said = dict(line.split("=", 1) for line in practice.splitlines() if line and not line.startswith("#"))
    taken = set(re.findall(r"\$\{(\w+):?-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    assert taken == set(said.items())


def image_faults(document: Mapping[str, Any]) -> list[str]:
    """Services that do not tell at /version which image they are."""
    services = document["services"]
    return [
        f"{name} does not tell its image"
        for name in SERVICES
        if services[name]["environment"].get("SHOP_IMAGE") != services[name]["image"]
    ]


def test_each_service_tells_the_name_of_its_image() -> None:
    document = composed()
    assert image_faults(document) == []
    document["services"]["orders"]["environment"]["SHOP_IMAGE"] = "another"
    assert image_faults(document) == ["orders does not tell its image"]


OUTSIDE_LOGINS = {
    "PROCESSOR_API_KEY": {"processor", "payments"},
    "ISSUER_NOTIFICATIONS_SECRET": {"issuer", "notifications"},
}
"""Setting with a login to an outside system → the containers that know it."""


def known_to(text: str, setting: str) -> set[str]:
    """The containers that get the value of a setting."""
    services = yaml.safe_load(text)["services"]
    return {name for name, one in services.items() if f"${{{setting}:-" in yaml.safe_dump(one)}


@pytest.mark.parametrize(("setting", "allowed"), OUTSIDE_LOGINS.items())
def test_only_the_service_that_calls_an_outside_system_has_its_login(setting: str, allowed: set[str]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert known_to(text, setting) == allowed
    planted = text.replace("LOG_LEVEL: ${LOG_LEVEL:-info}", f"LOG_LEVEL: ${{{setting}:-info}}")
    assert known_to(planted, setting) == allowed | set(SERVICES)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("FROM python:3.13-slim AS lock", "FROM python:latest AS lock", "has no version"),
        ("USER 10001:10001", "USER root", "not a number"),
        ('CMD ["/app/serve"]', "CMD /app/serve", "exec form"),
        ("--require-hashes ", "", "pinned by a hash"),
        ("COPY libs/chassis/src/", "COPY services/payments/src/", "not the project's own"),
        ("COPY libs/chassis/src/", "ADD libs/chassis/src/", "COPY"),
        (" && chmod -R a+rX /app", "", "modes of the clone"),
        ("WORKDIR /app", "COPY services/${SERVICE}/more /app/", "modes of the clone"),
    ],
)
def test_a_fault_in_a_dockerfile_is_seen(old: str, new: str, fault: str) -> None:
    text = (ROOT / "services/orders/Dockerfile").read_text()
    assert old in text
    found = dockerfile_faults(text.replace(old, new), "services/${SERVICE}")
    assert any(fault in said for said in found), found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image": "localhost/shopfloor/orders:latest"}, "an image without a version"),
        ({"image": "shopfloor/orders:dev-1"}, "an image of ours without a registry"),
        ({"mem_limit": "2g"}, "the limits add up"),
        ({"cpus": None}, "no limits"),
        ({"read_only": False}, "can be written"),
        ({"cap_add": ["NET_ADMIN"]}, "capabilities"),
        ({"security_opt": []}, "new privileges"),
        ({"restart": None}, "no restart policy"),
        ({"privileged": True}, "root"),
        ({"ports": ["8000:8000"]}, "a port for everybody"),
        ({"healthcheck": {"disable": True}}, "no health check"),
    ],
)
def test_a_fault_in_docker_compose_yml_is_seen(change: dict[str, Any], fault: str) -> None:
    document = copy.deepcopy(composed())
    orders = document["services"]["orders"]
    orders |= change
    for name in [name for name, value in change.items() if value is None]:
        del orders[name]
    found = compose_faults(document)
    assert len(found) == 1, found
    assert fault in found[0]


def copied(dockerfile: str) -> list[str]:
    """The paths of the repository that a Dockerfile copies. What it copies from another stage is left out."""
    copies = [
        rest.split() for word, rest in instructions(dockerfile) if word == "COPY" and "--from=" not in rest
    ]
    return [path.rstrip("/") for words in copies for path in words[:-1]]


def shut_out(paths: list[str], dockerignore: str) -> list[str]:
    """The paths that no line of .dockerignore lets into the build, neither themselves nor a folder that they are in."""
    rules = [line.removeprefix("!") for line in dockerignore.splitlines() if line.startswith("!")]
    return [
        path
        for path in paths
        if not any(folder.match(rule) for rule in rules for folder in (Path(path), *Path(path).parents))
    ]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_path_that_an_image_copies_reaches_the_builder(path: Path) -> None:
    text = path.read_text().replace("${SERVICE}", path.parent.name).replace("${TOOL}", path.parent.name)
    paths = copied(text)
    assert paths
    assert shut_out(paths, (ROOT / ".dockerignore").read_text()) == []


def test_a_path_that_does_not_reach_the_builder_is_seen() -> None:
    dockerfile = "COPY tools/stack/new.py \\\n     tools/issuer/src/ /app/\nCOPY --from=code /app /app\n"
    assert shut_out(copied(dockerfile), "*\n!tools/issuer/src\n") == ["tools/stack/new.py"]
