"""The state machines in the READMEs of services are those of TRANSITIONS in their domains."""

from pathlib import Path

import pytest

from tools.docs import state_machines

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_show_the_transitions_of_the_code() -> None:
    stale = [str(path.relative_to(ROOT)) for path in state_machines.stale()]
    assert stale == [], "run `make pictures`, and read the difference"


def test_every_service_whose_domain_has_transitions_has_a_picture() -> None:
    domains = ROOT.glob("services/*/src/*/domain.py")
    with_table = {path.parents[2].name for path in domains if "\nTRANSITIONS:" in path.read_text()}
    assert {Path(page).parent.name for page in state_machines.MACHINES} == with_table


@pytest.mark.parametrize("page", state_machines.MACHINES)
def test_an_arrow_that_is_drawn_wrong_is_seen(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / page).read_text()
    arrow = next(line for line in text.splitlines() if " --> " in line and "[*]" not in line)
    path = tmp_path / page
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(state_machines, "ROOT", tmp_path)
    monkeypatch.setattr(state_machines, "MACHINES", {page: state_machines.MACHINES[page]})
    path.write_text(text)
    assert state_machines.stale() == {}
    for lie in (text.replace(arrow + "\n", ""), text.replace(arrow, arrow.replace("-->", "--> VOIDED"))):
        path.write_text(lie)
        assert state_machines.stale() == {path: text}


def test_a_transition_that_the_code_gets_is_seen() -> None:
    text = (ROOT / "services/orders/README.md").read_text()
    arrows = [*state_machines.of_orders(), ("CONFIRMED", "returned", "CANCELLED")]
    assert "    CONFIRMED --> CANCELLED: returned\n" in state_machines.with_diagram(text, arrows)


def test_a_page_without_a_place_for_its_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="The page has no lines"):
        state_machines.with_diagram("# orders\n", state_machines.of_orders())
