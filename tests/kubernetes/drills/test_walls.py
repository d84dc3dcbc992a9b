"""No service reaches another's database on the cluster; a right too many is seen."""

import base64
from typing import Any

from shop_stack.ports import SERVICES
from tests.kubernetes.drills.conftest import Floor
from tests.walls import PLANTED, PLANTED_BREACHES, Login, breaches, closed_to_its_own_service


async def logins(floor: Floor, kind: str) -> Login:
    """How the services' roles log in by the Secrets `<service>-<kind>`."""
    secrets: dict[str, dict[str, Any]] = {
        service: (await floor.get("secret", f"{service}-{kind}"))["data"] for service in SERVICES
    }

    def url(service: str, database: str) -> str:
        username, password = (
            base64.b64decode(secrets[service][key]).decode() for key in ("username", "password")
        )
        address = floor.target.database_urls[service].rpartition("@")[2].partition("/")[0]
        return f"postgresql://{username}:{password}@{address}/{database}"

    return url


async def as_superuser(floor: Floor, database: str, statement: str) -> None:
    psql = ("psql", "--host=/var/run/postgresql", "--username=postgres", f"--dbname={database}")
    await floor.kubectl("exec", "postgres-0", "--stdin", "--", *psql, stdin=f"{statement};")


async def found_breaches(floor: Floor) -> list[str]:
    return await breaches(await logins(floor, "database"), await logins(floor, "database-owner"))


async def test_a_service_changes_no_table_and_reaches_no_other_database(floor: Floor) -> None:
    assert await found_breaches(floor) == []


async def test_the_rows_of_its_own_database_are_its_own(floor: Floor) -> None:
    assert await closed_to_its_own_service(await logins(floor, "database")) == []


async def test_a_right_too_many_is_seen(floor: Floor) -> None:
    for database, give, _ in PLANTED:
        await as_superuser(floor, database, give)
    try:
        assert sorted(await found_breaches(floor)) == PLANTED_BREACHES
    finally:
        for database, _, take_back in PLANTED:
            await as_superuser(floor, database, take_back)
