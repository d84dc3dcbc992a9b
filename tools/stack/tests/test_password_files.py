"""Passwords of a shop in containers become files, one folder for each service and one for PostgreSQL."""

import stat
from pathlib import Path

import pytest

from shop_stack.password_files import main, password_files

GIVEN = {
    "ORDERS_PASSWORD": "p1",
    "ORDERS_OWNER_PASSWORD": "p2",
    "ORDERS_KAFKA_PASSWORD": "p3",
    "POSTGRES_PASSWORD": "of the superuser",
    "PATH": "/bin",
}


def make_folders(root: Path) -> None:
    for name in ("orders", "postgres"):
        (root / name).mkdir()


def test_a_service_has_two_files_and_postgres_has_one_for_each_role() -> None:
    assert password_files(GIVEN) == {
        "orders/database": "p1",
        "orders/kafka": "p3",
        "postgres/orders": "p1",
        "postgres/orders_owner": "p2",
    }


def test_only_the_user_of_a_service_reads_its_passwords(tmp_path: Path) -> None:
    make_folders(tmp_path)
    assert main([str(tmp_path)], GIVEN) == 0
    modes = {
        str(file.relative_to(tmp_path)): stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*/*")
    }
    assert modes == {
        "orders/database": 0o400,
        "orders/kafka": 0o400,
        "postgres/orders": 0o444,
        "postgres/orders_owner": 0o444,
    }


def test_a_new_password_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    make_folders(tmp_path)
    main([str(tmp_path)], GIVEN)
    file = tmp_path / "orders" / "database"
    with file.open() as reader:
        assert main([str(tmp_path)], GIVEN | {"ORDERS_PASSWORD": "another"}) == 0
        assert reader.read() == "p1"
    assert file.read_text() == "another"


@pytest.mark.parametrize("variable", ["ORDERS_PASSWORD", "ORDERS_OWNER_PASSWORD", "ORDERS_KAFKA_PASSWORD"])
def test_a_password_that_is_empty_is_named_and_nothing_is_written(
    variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)], GIVEN | {variable: ""}) == 1
    assert variable in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_says_how_to_call_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], GIVEN) == 2
    assert "FOLDER" in capsys.readouterr().err
