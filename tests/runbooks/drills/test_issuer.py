"""The drill: the issuer of tokens is away, and then its keys are lost."""

import httpx
import pytest

from shop_stack import logins
from shop_stack.parts import KEYS_FILE
from tests.runbooks.drills.asking import http_client
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.shop import Shop, assert_said, soon


async def prices(shop: Shop, token: str) -> httpx.Response:
    """Read the prices of orders with this token."""
    login = {"Authorization": f"Bearer {token}"}
    async with http_client() as http:
        return await http.get(f"{shop.stack.url('orders')}/prices", headers=login)


@pytest.mark.runbook("issuer-down")
async def test_the_issuer_is_away_and_then_loses_its_keys(runbook: Runbook, shop: Shop) -> None:
    look, restart, renew = runbook.blocks
    began = len(shop.log("orders"))
    given = logins.token(shop.target.issuer, "c-given")
    order = await shop.order()
    await shop.kill("issuer")

    runbook.says("Callers get no new tokens.", "A token that was given is accepted until it ends")
    refused = await shop.bash(".venv/bin/shop token c-new")
    assert refused.code == 1
    assert "gives no token" in refused.text
    assert (await prices(shop, given)).status_code == 200
    runbook.says("accepted orders go on, and no order is lost")
    await shop.ends(order, "CONFIRMED")

    runbook.says(
        'in a process that starts meanwhile, requests are answered 503 with `"dependency": "issuer"`',
        "Such a process is not ready.",
    )
    await shop.restart("orders")

    async def lacks_the_keys() -> None:
        status, body = await shop.readyz("orders")
        assert status == 503
        assert body["checks"]["issuer"].startswith("away")

    await soon(lacks_the_keys, 60)
    answer = await prices(shop, given)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "issuer")
    assert "retry-after" in answer.headers
    await shop.logs("orders", "outage.began", after=began)
    status, _, outages, ready, keys = await runbook.run(look)
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("issuer"))
    assert_said(outages.text, ["outage.began", '"dependency": "issuer"'])
    assert ready.json["checks"]["issuer"].startswith("away")
    assert keys.code == 7

    runbook.says("Services need no restart. One that lacks the keys asks again every 5 seconds.")
    await runbook.run_one(restart)
    await shop.is_ready("orders")
    runbook.says("A service that noticed the outage has logged `outage.ended`.")
    await shop.logs("orders", "outage.ended", after=began)
    assert (await prices(shop, given)).status_code == 200
    await shop.ends(await shop.order(), "CONFIRMED")

    runbook.says("Its log has `KeysDamaged` if the file of its private keys cannot be read")
    await shop.stop("issuer")
    (shop.stack.state / KEYS_FILE).write_text("{}")
    assert (await shop.bash(".venv/bin/shop restart issuer")).code == 1
    assert "KeysDamaged" in shop.log("issuer")
    deleted, restarted = await runbook.run(renew)
    assert (deleted.code, restarted.code) == (0, 0)
    runbook.says("A service fetches the new key when it gets the first token that the new key signed")
    new = logins.token(shop.target.issuer, "c-new")

    async def knows_the_new_key() -> None:
        assert (await prices(shop, new)).status_code == 200

    await soon(knows_the_new_key, 30)
    runbook.says("From then on an old token is answered 401 `token-key-unknown`")
    old = await prices(shop, given)
    assert (old.status_code, old.json()["type"].rpartition(":")[2]) == (401, "token-key-unknown")
    runbook.says("`curl -s 'localhost:18021/readyz?require=all'` answers `ready`.")
    (over,) = await runbook.run("curl -s 'localhost:18021/readyz?require=all'")
    assert over.json["status"] == "ready"
    assert await shop.violated() == []
