"""The profile observability, seen without a container engine: Grafana finds its files, and its links lead somewhere."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.compose.test_files import ROOT, composed
from tools.observability.metrics_page import metrics_by_name
from tools.observability.queries import faults_of

GRAFANA = ROOT / "deploy" / "observability" / "grafana"
PORTS = {"prometheus": 9090, "jaeger": 16686}
"""Service of the profile → the port of its API."""
EXEMPLAR_LABELS = set(
    re.findall(r'\{"(\w+)": traceparent', (ROOT / "services/orders/src/orders/metrics.py").read_text())
)
"""The labels that orders gives to its exemplars."""
Json = dict[str, Any]


def read(name: str) -> Json:
    document: Json = yaml.safe_load((GRAFANA / name).read_text())
    return document


def faults(services: Mapping[str, Any], sources: Json, providers: Json) -> list[str]:
    """What Grafana would miss."""
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    inside = {place: ROOT / path for path, place in mounts.items()}
    found = [f"{path} is not in the clone" for path in mounts if not (ROOT / path).exists()]
    found += list(_missed_files(services, inside, providers))
    known = {source["uid"]: source for source in sources["datasources"]}
    for source in known.values():
        address = urlsplit(source["url"])
        if address.port != PORTS.get(address.hostname or ""):
            found.append(f"{source['url']} is no address of the profile")
        found += _source_faults(source, known)
    return found


def _missed_files(services: Mapping[str, Any], inside: Mapping[str, Path], providers: Json) -> Iterator[str]:
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, name = home.rpartition("/")
    if not (inside.get(folder, Path("/gone")) / name).is_file():
        yield f"there is no {home}"
    for provider in providers["providers"]:
        if provider["options"]["path"] not in inside:
            yield f"nothing is mounted at {provider['options']['path']}"
    for kind in ("datasources", "dashboards"):
        if f"/etc/grafana/provisioning/{kind}/shopfloor.yaml" not in inside:
            yield f"Grafana does not read {kind}"


def _source_faults(source: Json, known: Mapping[str, Json]) -> Iterator[str]:
    more = source["jsonData"]
    for target in more.get("exemplarTraceIdDestinations", ()):
        if target["datasourceUid"] not in known:
            yield f"exemplars lead to {target['datasourceUid']}, which is not there"
        if target["name"] not in EXEMPLAR_LABELS:
            yield f"exemplars have no {target['name']}"
    graphs = more.get("tracesToMetrics")
    if graphs is None:
        return
    if graphs["datasourceUid"] not in known:
        yield f"spans lead to {graphs['datasourceUid']}, which is not there"
    label = graphs["tags"][0]["value"]
    for graph in graphs["queries"]:
        query = graph["query"].replace("$$__tags", f'{label}="orders"')
        yield from faults_of(query, metrics_by_name())


def as_committed() -> tuple[Json, Json, Json]:
    return composed()["services"], read("datasources.yaml"), read("dashboards.yaml")


def test_grafana_finds_its_files_and_its_links_lead_somewhere() -> None:
    assert faults(*as_committed()) == []


def _no_dashboards(services: Json, sources: Json, providers: Json) -> None:
    services["grafana"]["volumes"].pop()


def _no_data_sources(services: Json, sources: Json, providers: Json) -> None:
    del services["grafana"]["volumes"][0]


def _a_file_that_is_gone(services: Json, sources: Json, providers: Json) -> None:
    services["grafana"]["volumes"].append("./deploy/gone:/gone:ro")


def _another_port(services: Json, sources: Json, providers: Json) -> None:
    sources["datasources"][0]["url"] = "http://prometheus:9091"


def _another_target(services: Json, sources: Json, providers: Json) -> None:
    sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"][0]["datasourceUid"] = "tempo"


def _another_label(services: Json, sources: Json, providers: Json) -> None:
    sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"][0]["name"] = "traceID"


def _another_metric(services: Json, sources: Json, providers: Json) -> None:
    graphs = sources["datasources"][1]["jsonData"]["tracesToMetrics"]["queries"]
    graphs[0]["query"] = "rate(chassis_gone_total{$$__tags}[1m])"


def _another_folder(services: Json, sources: Json, providers: Json) -> None:
    providers["providers"][0]["options"]["path"] = "/etc/dashboards"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_no_dashboards, "there is no /etc/shopfloor/dashboards/business.json"),
        (_no_data_sources, "Grafana does not read datasources"),
        (_a_file_that_is_gone, "./deploy/gone is not in the clone"),
        (_another_port, "http://prometheus:9091 is no address of the profile"),
        (_another_target, "exemplars lead to tempo, which is not there"),
        (_another_label, "exemplars have no traceID"),
        (_another_metric, "no metric chassis_gone_total"),
        (_another_folder, "nothing is mounted at /etc/dashboards"),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(change: Callable[[Json, Json, Json], None], fault: str) -> None:
    files = copy.deepcopy(as_committed())
    change(*files)
    assert fault in faults(*files)


def test_prometheus_keeps_the_exemplars_that_the_dashboard_asks_for() -> None:
    command = composed()["services"]["prometheus"]["command"]
    assert "--enable-feature=exemplar-storage" in command
