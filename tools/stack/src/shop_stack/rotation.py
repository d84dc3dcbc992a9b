"""New passwords for the services, and a new signing key for the issuer, while the shop runs.

The order of the steps is the same for each login: the new password goes into the stack's own file, then to the server,
then into the service's file. A service that logs in between the last two is refused, and tries again. If the command is
interrupted, `shop up` completes the steps.

docs/runbooks/rotate-passwords.md is the page of the operator.
"""

from __future__ import annotations

import asyncpg
import httpx

from shop_stack import kafka_users, passwords, postgres, stack_files
from shop_stack.errors import UserError
from shop_stack.logins import OPERATOR, acting_person
from shop_stack.passwords import name_of_login
from shop_stack.rights import ORACLE, STACK
from shop_stack.stack import ISSUER, KAFKA, POSTGRES, Stack

TIMEOUT_SECONDS = 10.0


async def rotate_database(stack: Stack, service: str) -> None:
    """Give both roles of a service new passwords. Open connections stay open.

    Raises UserError if PostgreSQL does not run, or refuses.
    """
    _require_running(stack, POSTGRES)
    owner = stack.passwords.roles(service).owner
    passwords.renew(stack.passwords_file, [service, owner])
    try:
        await postgres.ensure_roles(stack.server, stack.passwords.roles(service))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise postgres.unusable(error) from error
    stack.secret_files(service).write(stack.passwords)
    stack_files.write_facts(stack)


async def rotate_kafka(stack: Stack, principal: str) -> None:
    """Give a service, or the oracle, a new password. Open connections stay open.

    Raises UserError if Kafka does not run, or refuses.
    """
    _require_running(stack, KAFKA)
    passwords.renew(stack.passwords_file, [name_of_login(principal)])
    await kafka_users.set_passwords(stack.logins.of(STACK), [stack.logins.of(principal)])
    if principal == ORACLE:
        stack_files.write_facts(stack)
    else:
        stack.secret_files(principal).write(stack.passwords)


def rotate_keys(stack: Stack) -> str:
    """Have the issuer sign with a new key. Returns its `kid`. Tokens of the key before stay valid until they end.

    Raises UserError if the issuer does not answer, or refuses.
    """
    _require_running(stack, ISSUER)
    login = (OPERATOR, stack.issuer.secrets[OPERATOR])
    form = {"subject": person} if (person := acting_person()) else {}
    url = f"{stack.issuer.url}/keys/rotate"
    try:
        answer = httpx.post(url, data=form, auth=login, timeout=TIMEOUT_SECONDS, trust_env=False)
        return str(answer.raise_for_status().json()["kid"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The issuer made no new key ({type(error).__name__}): see `shop logs issuer`, then try again."
        ) from error


def _require_running(stack: Stack, part: str) -> None:
    if stack.daemon(part).process() is None:
        raise UserError(f"{part} does not run, so nothing was changed: start the shop with `shop up`.")
