"""Work that outlasts a request: traces, the matrix of releases and drills. What cannot be done is a sentence."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop_chaos.drills import menu
from shop_floor import acts, deployable, drills, programs, trace
from shop_floor.app import Shop, create_app
from shop_floor.jobs import Job, Readings
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES, free_port
from testkit import eventually
from tools.floor.tests.programs_played import HINT, Programs, answer_of, span
from tools.floor.tests.scenes import Log, Looker, fake_shop, fake_target, healthy, order_id, until


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs()
    monkeypatch.setattr(programs, "shop", found.shop)
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fake_shop(Log(), Looker(healthy()), fake_target("http://127.0.0.1:1", tmp_path), free_port())


@pytest.fixture
async def browser(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of a page that may act."""
    here = f"http://127.0.0.1:{shop.guard.port}"
    transport = httpx.ASGITransport(create_app(shop, acts.router))
    async with httpx.AsyncClient(transport=transport, base_url=here) as client:
        await client.get(shop.guard.link())
        token = (await client.get("/api/session")).json()["token"]
        client.headers.update({"origin": here, "x-floor-token": token})
        yield client
    await shop.close()


async def ended(browser: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """The state of a job after it has ended."""
    found: list[dict[str, Any]] = []

    async def has_ended() -> None:
        told = (await browser.get(path)).json()
        found.append(told.get("job", told))
        assert not found[-1]["running"]

    await eventually(has_ended, 10)
    return found[-1]


# --- The trace ------------------------------------------------------------------------------------


async def test_the_spans_of_an_order_are_told_with_the_length_of_the_whole(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    told = (await browser.get(f"/api/orders/{order_id()}/trace")).json()
    assert (told["count"], told["services"], told["traces"]) == (12, 4, 1)
    assert told["ms"] == pytest.approx(187.1)
    assert [each["name"] for each in told["spans"] if each["failed"]] == ["POST /charges"]
    assert told["link"] == ""


async def test_the_trace_of_an_order_has_the_link_that_the_command_prints(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    played.link = "http://localhost:16686/trace/1"
    told = (await browser.get(f"/api/orders/{order_id()}/trace")).json()
    assert told["link"] == "http://localhost:16686/trace/1"


@pytest.mark.parametrize(
    ("order", "status", "sentence"),
    [(order_id(), 502, "No span of order"), ("%3Cscript%3E", 404, "This is no order id")],
    ids=["order", "script"],
)
async def test_an_order_without_a_trace_is_a_sentence(
    browser: httpx.AsyncClient, played: Programs, order: str, status: int, sentence: str
) -> None:
    played.spans = []
    answer = await browser.get(f"/api/orders/{order}/trace")
    assert (answer.status_code, answer.json()["detail"].startswith(sentence)) == (status, True)


def test_a_foreign_span_cannot_steer_the_page_and_a_long_trace_is_cut() -> None:
    rubbish = span(-5, "\x1b[31morders", "server", "n" * 5_000, -3.0, -1.0)
    told = trace.told({"spans": [rubbish] * 1_000})
    first = told["spans"][0]
    assert (told["count"], len(told["spans"])) == (1_000, trace.MOST_SPANS)
    assert (first["service"][0], len(first["name"]), first["depth"], first["ms"]) == ("\ufffd", 160, 0, 0)


async def test_pages_of_one_order_share_a_reading_and_other_orders_wait_their_turn() -> None:
    readings = Readings()
    begun: list[str] = []
    gate = asyncio.Event()

    async def read(what: str) -> str:
        begun.append(what)
        await gate.wait()
        return what

    asked = [asyncio.create_task(readings.of(name, partial(read, name))) for name in ("a", "a", "b", "a")]
    await until(lambda: begun == ["a"])
    asked[0].cancel()
    gate.set()
    assert await asyncio.gather(*asked[1:]) == ["a", "b", "a"]
    assert begun == ["a", "b"]


async def test_a_reading_ends_when_the_last_page_that_wants_it_has_gone() -> None:
    readings = Readings()
    ended: list[str] = []

    async def read(what: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(what)

    first, second = (asyncio.create_task(readings.of("a", partial(read, "a"))) for _ in range(2))
    waiting = asyncio.create_task(readings.of("b", partial(read, "b")))
    await asyncio.sleep(0.01)
    first.cancel()
    waiting.cancel()
    await asyncio.sleep(0.01)
    assert ended == [], "the second page still wants a, and b had not begun"
    second.cancel()
    await until(lambda: ended == ["a"])
    assert await readings.of("a", partial(asyncio.sleep, 0, "anew")) == "anew"


# --- A job ----------------------------------------------------------------------------------------


async def test_a_job_tells_its_step_and_its_result_and_is_not_started_twice() -> None:
    job, gate = Job("The work"), asyncio.Event()

    async def work(tell: Any) -> int:
        tell("half of it")
        await gate.wait()
        return 42

    job.start("work", work)
    await until(lambda: job.as_json()["step"] == "half of it")
    with pytest.raises(UserError, match="The work goes on already"):
        job.start("work", work)
    gate.set()
    await until(lambda: not job.is_running)
    assert (job.as_json()["result"], job.as_json()["error"], job.as_json()["step"]) == (42, "", "")


async def test_a_fault_of_the_work_is_a_sentence_and_a_job_that_is_closed_ends() -> None:
    async def broken(_: Any) -> None:
        raise RuntimeError("planted")

    job = Job("The work")
    job.start("work", broken)
    await until(lambda: "planted" in job.as_json()["error"])
    job.start("work", lambda _: asyncio.Event().wait())
    await job.close()
    assert not job.is_running


# --- The matrix -----------------------------------------------------------------------------------


async def test_the_matrix_is_made_in_the_background_with_its_progress(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    played.held = True
    assert (await browser.get("/api/deployable")).json()["result"] is None
    assert (await browser.post("/api/deployable")).status_code == 202

    async def has_begun() -> None:
        step = (await browser.get("/api/deployable")).json()["step"]
        assert step == "orders is compared with everything that runs (1 of 5)."

    await eventually(has_begun, 10)
    again = await browser.post("/api/deployable")
    assert (again.status_code, "goes on already" in again.json()["detail"]) == (502, True)
    played.held = False
    found = (await ended(browser, "/api/deployable"))["result"]
    assert [one["service"] for one in found["answers"]] == list(SERVICES)
    assert [one["service"] for one in found["answers"] if not one["deployable"]] == ["payments"]


async def test_a_service_of_which_nothing_can_be_said_is_a_sentence_and_the_others_are_told(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    played.unanswered = {"orders"}
    await browser.post("/api/deployable")
    found = (await ended(browser, "/api/deployable"))["result"]
    assert found["lacks"] == ["orders: The log cannot be read: is the shop up?"]
    assert len(found["answers"]) == len(SERVICES) - 1


def test_the_worst_row_decides_a_cell_and_what_is_no_service_is_stored() -> None:
    cells = deployable.told(answer_of("payments"), list(SERVICES))["cells"]
    assert cells == {
        "orders": {"rows": 2, "verdict": "no"},
        "analytics": {"rows": 1, "verdict": "yes"},
        "stored": {"rows": 1, "verdict": "yes"},
    }


def test_rows_that_differ_by_an_id_alone_are_one_and_foreign_texts_are_shortened() -> None:
    answer = answer_of("orders")
    first = answer["rows"][0]
    paths = [f"GET /orders/{order_id()}" for _ in range(3)]
    answer["rows"] = [{**first, "subject": subject} for subject in paths]
    answer["rows"].append({**first, "subject": "\x1b[31m" + "x" * 5_000})
    rows = deployable.told(answer, list(SERVICES))["rows"]
    assert [row["subject"][:16] for row in rows] == ["GET /orders/{id}", "\ufffd[31m" + "x" * 11]
    assert max(len(row["subject"]) for row in rows) == deployable.MOST_CHARACTERS


# --- Drills ---------------------------------------------------------------------------------------


def test_an_answer_may_name_the_causes_of_the_command() -> None:
    assert drills.CAUSES == menu.CAUSES


async def test_a_drill_is_begun_hinted_answered_wrongly_and_then_rightly(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    assert (await browser.get("/api/drill")).json()["drill"]["on"] is False
    await browser.post("/api/drill/start", json={"seed": 11})
    await ended(browser, "/api/drill")
    drill = (await browser.get("/api/drill")).json()["drill"]
    assert (drill["on"], drill["seed"], "kafka" in drill["parts"]) == (True, 11, True)
    assert (await browser.post("/api/drill/hint")).json() == {"told": HINT}
    await browser.post("/api/drill/answer", json={"part": "kafka", "cause": "down"})
    job = await ended(browser, "/api/drill")
    assert job["error"].startswith("No: the fault is not kafka, down.")
    await browser.post("/api/drill/answer", json={"part": "payments", "cause": "frozen"})
    job = await ended(browser, "/api/drill")
    assert (job["name"], job["error"], job["result"]["ruling"]) == ("answer", "", "cured")


async def test_while_a_command_of_the_drill_runs_the_drill_is_not_asked_for(
    browser: httpx.AsyncClient, played: Programs
) -> None:
    played.held = True
    await browser.post("/api/drill/start", json={})
    await until(lambda: ("drill", "start", "--json") in played.calls)
    told = (await browser.get("/api/drill")).json()
    assert (told["drill"], told["job"]["running"], bool(told["job"]["step"])) == (None, True, True)
    assert ("drill", "status", "--json") not in played.calls
    played.held = False
    await ended(browser, "/api/drill")
    await browser.post("/api/drill/stop")
    assert (await ended(browser, "/api/drill"))["result"]["fault"].startswith("payments: frozen")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("start", {"seed": -1}, 422),
        ("start", {"seed": "chance"}, 422),
        ("answer", {"part": "--help", "cause": "down"}, 422),
        ("answer", {"part": "kafka", "cause": "-x"}, 422),
        ("answer", {"part": "kafka"}, 422),
        ("hint", {}, 502),
    ],
)
async def test_a_bad_wish_starts_no_command_or_is_a_sentence(
    browser: httpx.AsyncClient, played: Programs, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await browser.post(f"/api/drill/{path}", json=body)
    assert answer.status_code == status
    assert [call for call in played.calls if call[1] != path] == []
    if status == 502:
        assert answer.json()["detail"].startswith("No drill is on")


async def test_a_shop_in_containers_has_no_drills(tmp_path: Path, played: Programs) -> None:
    elsewhere = replace(fake_target("http://127.0.0.1:1", tmp_path), name="compose")
    with pytest.raises(UserError, match="embedded stack only"):
        await drills.state(elsewhere)
    assert played.calls == []


# --- The programs ---------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """A run of the tests in the background ignores Ctrl-C, and so would the programs that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
async def test_a_program_that_is_not_wanted_any_more_gets_ctrl_c_and_ends(tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f"trap 'echo undone >{said}; exit 1' INT; echo begun >{said}; while :; do sleep 0.05; done"
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=pipe, stderr=pipe)
    await until(lambda: said.is_file() and said.read_text() == "begun\n")
    await programs.leave(program)
    assert (program.returncode, said.read_text()) == (1, "undone\n")


async def test_a_program_that_does_not_end_by_ctrl_c_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LEAVE_SECONDS", 0.2)
    said = tmp_path / "said"
    script = f"trap '' INT; echo begun >{said}; sleep 60"
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=pipe, stderr=pipe)
    await until(said.is_file)
    await programs.leave(program)
    assert program.returncode == -9
