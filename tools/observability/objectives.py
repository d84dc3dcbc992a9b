"""The rules of objectives: the recorded ratio of errors in each window, and alerts by burn rate in two windows.

Names and labels are those of Sloth, so that its dashboards show them. An alert fires while the budget burns too fast in
a long and in a short window: the long one shows that it matters, and the short one that it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rule = dict[str, Any]
RATIO = "slo:sli_error:ratio_rate"
SEVERITIES = ("page", "ticket")


def rules_of(spec: Mapping[str, Any], scale: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of rules of all objectives of a Sloth file at a scale (an entry of scales.yaml)."""
    groups = []
    for slo in spec["slos"]:
        labels = labels_of(spec, slo)
        groups.append(
            {
                "name": f"sloth-slo-{labels['sloth_id']}",
                "interval": scale["interval"],
                "rules": [
                    *recorded(slo, scale, labels),
                    *facts(slo, scale, labels),
                    *alerts(slo, scale["windows"], labels),
                ],
            }
        )
    return groups


def labels_of(spec: Mapping[str, Any], slo: Mapping[str, Any]) -> dict[str, str]:
    """The labels of each rule of an objective."""
    return {
        "sloth_id": f"{spec['service']}-{slo['name']}",
        "sloth_service": spec["service"],
        "sloth_slo": slo["name"],
    }


def recorded(slo: Mapping[str, Any], scale: Mapping[str, Any], labels: Mapping[str, str]) -> list[Rule]:
    """The ratio of errors in each window. That of the period is the mean of the shortest one's ratios."""
    events = slo["sli"]["events"]
    windows = sorted(
        {each for pair in scale["windows"] for each in (pair["short"], pair["long"])}, key=seconds
    )
    rules = [
        {
            "record": f"{RATIO}{window}",
            "expr": f"({_at(events['error_query'], window)})\n/\n({_at(events['total_query'], window)})",
            "labels": {**labels, "sloth_window": window},
        }
        for window in windows
    ]
    shortest = f"{RATIO}{windows[0]}{{{_matchers(labels)}}}[{scale['period']}]"
    over_period = f"sum_over_time({shortest})\n/ ignoring (sloth_window)\ncount_over_time({shortest})"
    of_period = {
        "record": f"{RATIO}{scale['period']}",
        "expr": over_period,
        "labels": {**labels, "sloth_window": scale["period"]},
    }
    return [*rules, of_period]


def facts(slo: Mapping[str, Any], scale: Mapping[str, Any], labels: Mapping[str, str]) -> list[Rule]:
    """The objective, its budget of errors, and the part of the budget that is left in the period."""
    budget = budget_of(slo)
    of_period = f"{RATIO}{scale['period']}{{{_matchers(labels)}}}"
    return [
        {
            "record": "slo:objective:ratio",
            "expr": f"vector({slo['objective'] / 100:.6g})",
            "labels": dict(labels),
        },
        {"record": "slo:error_budget:ratio", "expr": f"vector({budget:.6g})", "labels": dict(labels)},
        {
            "record": "slo:period_error_budget_remaining:ratio",
            "expr": f"1 - {of_period} / {budget:.6g}",
            "labels": dict(labels),
        },
    ]


def alerts(
    slo: Mapping[str, Any], windows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]
) -> list[Rule]:
    """One alert for each severity: it fires if one of its pairs of windows burns too fast."""
    wanted = slo["alerting"]
    found = []
    for severity in SEVERITIES:
        pairs = [pair for pair in windows if pair["severity"] == severity]
        found.append(
            {
                "alert": wanted["name"],
                "expr": "\nor\n".join(_burns(pair, budget_of(slo), labels) for pair in pairs),
                "labels": {"sloth_severity": severity, **wanted[f"{severity}_alert"]["labels"]},
                "annotations": dict(wanted["annotations"]),
            }
        )
    return found


def budget_of(slo: Mapping[str, Any]) -> float:
    """The part of the events that may be bad: 0.001 for an objective of 99.9."""
    return round(1 - float(slo["objective"]) / 100, 6)


def seconds(window: str) -> int:
    """The length of a window such as 5m."""
    return int(window[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[window[-1]]


def _burns(pair: Mapping[str, Any], budget: float, labels: Mapping[str, str]) -> str:
    limit = f"({pair['burn']:g} * {budget:g})"
    both = [
        f"max without (sloth_window) ({RATIO}{pair[length]}{{{_matchers(labels)}}} > {limit})"
        for length in ("short", "long")
    ]
    return f"({both[0]}\nand\n{both[1]})"


def _matchers(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())


def _at(query: str, window: str) -> str:
    return query.replace("{{.window}}", window)
