"""The file that says which release of each service a shop runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_stack import deployed, embedded, paths, stack_files
from shop_stack.deployed import CLONE, Deployed, Deployment, clone
from shop_stack.errors import UserError


def release(folder: Path, version: str = "0.1.1") -> Deployed:
    (folder / "services" / "orders").mkdir(parents=True, exist_ok=True)
    return Deployed("orders", version, folder, "abc")


def test_without_a_file_every_service_runs_the_clone(tmp_path: Path) -> None:
    found = deployed.read(tmp_path, "orders")
    assert found == Deployment(Deployed("orders", CLONE, paths.repository()))
    assert deployed.read_all(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_is_read_as_it_was_written_and_those_of_others_stay(tmp_path: Path) -> None:
    first = Deployment(clone("payments"), Deployed("payments", "0.1.1", tmp_path, "abc"), slot=2)
    second = Deployment(release(tmp_path), clone("orders"))
    deployed.write(tmp_path, first)
    deployed.write(tmp_path, second)
    assert deployed.read_all(tmp_path) == {"payments": first, "orders": second}
    assert (tmp_path / deployed.FILE).stat().st_mode & 0o077 == 0


def test_two_deployments_in_a_row_have_two_slots_and_the_second_can_go_back_to_the_first(
    tmp_path: Path,
) -> None:
    first = deployed.read(tmp_path, "orders")
    second = first.followed_by(release(tmp_path))
    third = second.followed_by(clone("orders"))
    assert [each.slot for each in (first, second, third)] == [1, 2, 1]
    assert second.before == clone("orders")
    assert third.before == release(tmp_path)
    assert third.now.is_clone


def test_the_clone_that_is_deployed_anew_keeps_the_release_to_go_back_to(tmp_path: Path) -> None:
    earlier = Deployment(clone("orders"), release(tmp_path))
    assert earlier.followed_by(clone("orders")).before == release(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"orders": {}}',
        '{"orders": {"now": {"version": "1"}, "before": null, "slot": 1}}',
        '{"orders": {"now": {"version": "1", "folder": "/x", "revision": ""}, "before": null, "slot": 7}}',
    ],
)
def test_a_damaged_file_is_told_with_the_cure(tmp_path: Path, text: str) -> None:
    (tmp_path / deployed.FILE).write_text(text)
    with pytest.raises(UserError, match=r"deployed\.json cannot be read.*: delete it, run `shop up`"):
        deployed.read(tmp_path, "orders")


def test_a_release_whose_code_is_gone_says_how_to_go_on(tmp_path: Path) -> None:
    gone = Deployed("orders", "0.1.1", tmp_path / "gone")
    with pytest.raises(
        UserError, match=r"orders 0\.1\.1 is gone.*`shop deploy orders 0\.1\.1` brings it back"
    ):
        _ = gone.project


def test_each_release_has_an_environment_and_a_project_of_its_own(tmp_path: Path) -> None:
    ours = clone("orders").project
    other = release(tmp_path).project
    assert ours.venv.name == "orders"
    assert other.venv.name == "orders-0.1.1"
    assert other.folder == tmp_path / "services" / "orders"
    assert other.libraries == (tmp_path / "libs" / "chassis",)
    assert release(tmp_path).command == [str(other.python), "-m", "orders.main"]


def test_a_wipe_forgets_what_was_deployed(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28000)
    deployed.write(tmp_path, Deployment(release(tmp_path)))
    stack_files.wipe(stack)
    assert deployed.read_all(tmp_path) == {}
