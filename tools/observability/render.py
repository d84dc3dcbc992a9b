"""Renders rules and dashboards: `python -m tools.observability.render`, and `--check` compares only.

Sources are slo.yaml, alerts.yaml and scales.yaml in deploy/observability. Each scale becomes one file of rules, which
Prometheus reads as it is. The rules of the scale `days` become the PrometheusRule of Kubernetes, too. The dashboards
of dashboards.yaml become files for Grafana and a ConfigMap of Kubernetes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.observability import dashboards, objectives
from tools.observability.metrics_page import ROOT, Entry, metrics_by_name
from tools.observability.queries import entry_of, selectors

FOLDER = ROOT / "deploy" / "observability"
KUBERNETES = ROOT / "deploy" / "k8s" / "components" / "monitoring"
BUSINESS = "days"
HEAD = "# Written by `make rules` from deploy/observability: change the sources, not this file.\n"
WORD = re.compile(r"<<(\w+)>>")
ABSENT = "ShopfloorSeriesAbsent"
RUNBOOK_OF_ABSENT = "docs/runbooks/metrics-missing.md"


class _Text(yaml.SafeDumper):
    """Writes texts of more than one line as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Text.add_representer(str, _text)


def groups_of(scale: Mapping[str, Any], page: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """All groups of rules at a scale. Raises ValueError for what is no query, and KeyError for an unknown word."""
    spec = yaml.safe_load((FOLDER / "slo.yaml").read_text())
    text = (FOLDER / "alerts.yaml").read_text()
    symptoms = yaml.safe_load(WORD.sub(lambda word: str(scale["words"][word[1]]), text))["groups"]
    of_objectives = objectives.rules_of(spec, scale)
    asked = [rule["expr"] for group in (*of_objectives, *symptoms) for rule in group["rules"]]
    absent = {"name": "shopfloor-absent", "rules": absent_rules(asked, page, scale["words"])}
    for group in (*symptoms, absent):
        group["interval"] = scale["interval"]
    return [*of_objectives, *symptoms, absent]


def absent_rules(
    queries: Iterable[str], page: Mapping[str, Entry], words: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """An alert for each metric that a rule asks for: it names a service that runs and does not give the metric.

    A service of which no process answers has alerts of its own.
    """
    metrics = sorted(
        {entry.name for query in queries for one in selectors(query) if (entry := entry_of(one.metric, page))}
    )
    return [_absent(page[metric], words) for metric in metrics]


def _absent(entry: Entry, words: Mapping[str, Any]) -> dict[str, Any]:
    series = f"{entry.name}_count" if entry.type == "histogram" else entry.name
    either = "\nor ".join(f'absent({series}{{shop_service="{service}"}})' for service in entry.services)
    return {
        "alert": ABSENT,
        "expr": f"({either})\nand on (shop_service) max by (shop_service) (up) == 1",
        "for": words["long"],
        "labels": {"severity": "warning", "metric": entry.name},
        "annotations": {
            "summary": f"{{{{ $labels.shop_service }}}} does not give {entry.name}: alerts on it cannot fire",
            "runbook": RUNBOOK_OF_ABSENT,
        },
    }


def files() -> dict[Path, str]:
    """The files to write, with their texts."""
    page = metrics_by_name()
    scales = yaml.safe_load((FOLDER / "scales.yaml").read_text())
    rendered = {name: groups_of(scale, page) for name, scale in scales.items()}
    written = {
        FOLDER / "rules" / f"{name}.yaml": dumped({"groups": groups}) for name, groups in rendered.items()
    }
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "shopfloor"},
        "spec": {"groups": rendered[BUSINESS]},
    }
    drawn = dashboards.rendered(yaml.safe_load((FOLDER / "dashboards.yaml").read_text()))
    for name, dashboard in drawn.items():
        written[FOLDER / "dashboards" / f"{name}.json"] = dashboards.text_of(dashboard)
    written[KUBERNETES / "dashboards.yaml"] = dumped(dashboards.config_map(drawn))
    return {**written, KUBERNETES / "alerts.yaml": dumped(resource)}


def dumped(content: Mapping[str, Any]) -> str:
    """A file of YAML."""
    return HEAD + yaml.dump(content, Dumper=_Text, sort_keys=False, width=1_000, allow_unicode=True)


def main(arguments: list[str]) -> int:
    """Write all files, or with `--check` name those that differ. Returns the exit code."""
    different = [file for file, text in files().items() if not file.is_file() or file.read_text() != text]
    if "--check" not in arguments:
        for file in different:
            file.parent.mkdir(exist_ok=True)
            file.write_text(files()[file])
        return 0
    for file in different:
        print(f"{file.relative_to(ROOT)} is not what its sources say: run `make rules`.")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
