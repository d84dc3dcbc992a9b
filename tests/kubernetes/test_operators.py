"""What alerts ask for is measured by somebody, and what overlays expect to be there is made by secrets.sh."""

import re
import subprocess
from collections.abc import Sequence

import pytest
import yaml

from tests.kubernetes import policies
from tests.kubernetes.rendered import ROOT, SERVICES, Object, of_kind, pod_of, rendered, workloads
from tools.observability.metrics_page import metrics_by_name
from tools.observability.queries import faults_of

SCRIPT = ROOT / "deploy" / "k8s" / "secrets.sh"


def printed_secrets(*arguments: str) -> list[Object]:
    """The Secrets that deploy/k8s/secrets.sh prints."""
    printed = subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, check=True).stdout
    return [one for one in yaml.safe_load_all(printed) if one]


def rules(objects: Sequence[Object]) -> list[Object]:
    return [
        rule
        for one in of_kind(objects, "PrometheusRule")
        for group in one["spec"]["groups"]
        for rule in group["rules"]
    ]


def faults(objects: Sequence[Object]) -> list[str]:
    """What is wrong with the queries of rules, as far as the list of metrics tells it."""
    recorded = {rule["record"] for rule in rules(objects) if "record" in rule}
    page = metrics_by_name()
    return [fault for rule in rules(objects) for fault in faults_of(rule["expr"], page, recorded)]


def test_alerts_ask_for_what_is_measured() -> None:
    objects = rendered("prod")
    assert len([rule for rule in rules(objects) if "alert" in rule]) >= 20
    assert faults(objects) == []


def test_an_alert_on_a_metric_that_nobody_has_is_caught() -> None:
    objects = rendered("prod")
    rules(objects)[-1]["expr"] = "max by (group) (chassis_letters_dead) > 0"
    assert faults(objects) == ["no metric chassis_letters_dead"]


def test_every_alert_names_a_runbook_that_exists() -> None:
    for rule in rules(rendered("prod")):
        assert "record" in rule or (ROOT / rule["annotations"]["runbook"]).is_file()


def test_a_pod_is_scraped_with_the_label_by_which_rules_name_its_service() -> None:
    (monitor,) = (
        one for one in of_kind(rendered("prod"), "PodMonitor") if one["metadata"]["name"] == "services"
    )
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"shop_service"}


@pytest.mark.parametrize("overlay", ["", "local", "monolith"])
def test_the_script_makes_every_secret_that_is_expected_and_no_two_alike(overlay: str) -> None:
    made = printed_secrets(*filter(None, [overlay]))
    assert list(policies.schemas(made)) == []
    names = {f"{service}-database{owner}" for service in SERVICES for owner in ("", "-owner")}
    names |= {"issuer-clients", "card-processor-key"}
    if overlay:
        names.add("postgres-superuser")
    if overlay == "local":
        names |= {"shopfloor-cluster-ca-cert", "kafka-broker-certificate"}
        names |= {*SERVICES, "oracle", "keda", "topics"}
    assert {one["metadata"]["name"] for one in made} == names
    passwords = [
        value
        for one in made
        for key, value in one["stringData"].items()
        if key == "password" or key.endswith("_SECRET")
    ]
    assert len(passwords) >= 2 * len(SERVICES)
    assert len(set(passwords)) == len(passwords)
    assert all(re.fullmatch("[A-Za-z0-9]{20,}", password) for password in passwords)


def test_the_script_makes_every_secret_that_the_overlay_local_refers_to() -> None:
    made = names_of(printed_secrets("local"))
    assert referred_to(rendered("local")) - made == set()
    assert referred_to(rendered("local")) - (made - {"topics"}) == {"topics"}


def test_the_script_makes_the_secrets_of_the_overlay_monolith_and_no_others() -> None:
    assert names_of(printed_secrets("monolith")) == referred_to(rendered("monolith"))


def referred_to(objects: Sequence[Object]) -> set[str]:
    """The names of the Secrets that pods refer to."""
    return {
        name
        for one in workloads(objects)
        for kind, name in policies.references_in(pod_of(one))
        if kind == "Secret"
    }


def names_of(objects: Sequence[Object]) -> set[str]:
    return {one["metadata"]["name"] for one in objects}


def test_the_script_refuses_an_overlay_that_it_does_not_know() -> None:
    done = subprocess.run([str(SCRIPT), "prod"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr
