"""Each view in a browser: it shows what it must, has no fault for people with a screen reader, and has its picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shop_floor.looks import Reading
from shop_observe.tail import LogUnreadable
from tools.floor.tests import scenes
from tools.floor.tests.browser.conftest import PATIENCE_MS, Played, violations
from tools.floor.tests.services import KEY, letter

PICTURES = Path(__file__).parents[4] / "docs/pictures/floor"
MOST_BYTES = 150_000
THEMES = ("light", "dark")
DRAWN = """() => {
    const canvas = document.querySelector("canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let i = 3; i < pixels.length; i += 4) drawn += pixels[i] > 200;
    return drawn > 1500;
}"""
"""Whether dots are on the map: about thirty of them."""


def ready_map(page: Page, played: Played) -> None:
    now = datetime.now(UTC)
    makers = (scenes.confirmed, scenes.declined, scenes.refunded, scenes.confirmed, scenes.captured)
    played.looker.looks.services["payments"].letters = 2
    played.looker.looks.readings["analytics", "orders.order.v1"] = Reading(960, 38)
    for number, make in enumerate(makers * 3):
        played.write(make(now - timedelta(seconds=15 - number)))
    expect(page.get_by_text("38 unread").first).to_be_visible()
    expect(page.locator(".orders li")).to_have_count(9)


def records_move(page: Page, played: Played) -> None:
    """Let records move on the map, and return when they are drawn."""
    for make in (scenes.confirmed, scenes.declined, scenes.refunded) * 3:
        played.write(make())
    for reading in played.looker.looks.readings.values():
        reading.read += 4
    page.wait_for_function(DRAWN)


def ready_order(page: Page, played: Played) -> None:
    order = played.write(scenes.refunded())
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.locator(".node")).to_have_count(9)


def ready_pending(page: Page, played: Played) -> None:
    order = played.write(scenes.captured())
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.locator(".ghost.owed")).to_have_count(1)


def ready_trace(page: Page, played: Played) -> None:
    order = played.write(scenes.confirmed())
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.locator(".waterfall tbody tr")).to_have_count(12)
    page.get_by_role("heading", name="Trace").scroll_into_view_if_needed()


def ready_drill(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/faults")
    page.get_by_role("button", name="Start a drill").click()
    expect(page.get_by_text("Drill 7 is on for")).to_be_visible()
    page.get_by_role("button", name="Hint").click()
    expect(page.get_by_text("shows it.")).to_be_visible()
    page.get_by_label("Part", exact=True).select_option("payments")
    page.get_by_label("Cause", exact=True).select_option("frozen")
    expect(page.get_by_text("its process lives and does nothing")).to_be_visible()


def ready_matrix(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/contracts")
    page.get_by_role("button", name="Compare the newest releases").click()
    expect(page.get_by_role("columnheader", name="stored data")).to_be_visible()
    page.locator("summary").filter(has_text="No: payments").click()
    page.get_by_role("heading", name="Can it be deployed?").scroll_into_view_if_needed()


def ready_storefront(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/storefront")
    for outcome in ("Confirmed", "Card declined", "Cancelled"):
        page.get_by_role("button", name=f"Place an order: {outcome}", exact=True).click()
        expect(page.get_by_text(outcome.lower()).first).to_be_visible()
    expect(page.locator(".orders .pill.good")).to_have_count(1)


def ready_dead_letters(page: Page, played: Played) -> None:
    played.services.letters["payments"] = [letter(7), letter(8, state="WAITING")]
    page.goto(f"{played.here}/dead-letters")
    page.get_by_role("button", name="Ask the oracle").click()
    expect(page.get_by_text("every invariant holds")).to_be_visible()
    page.get_by_role("button", name="Look at payments 7").click()
    expect(page.get_by_role("heading", name="payments, dead letter 7")).to_be_visible()


def ready_faults(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/faults")
    page.get_by_role("button", name="Kill payments").click()
    expect(page.get_by_role("button", name="Start payments")).to_be_visible()


def ready_contracts(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/contracts")
    expect(page.get_by_role("heading", name="order-placed v1")).to_be_visible()
    page.locator("summary").first.click()


def ready_labs(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/labs")
    expect(page.get_by_text("shop lab start kill-a-service")).to_be_visible(timeout=60_000)


VIEWS: dict[str, Callable[[Page, Played], None]] = {
    "map": ready_map,
    "order": ready_order,
    "order-pending": ready_pending,
    "trace": ready_trace,
    "storefront": ready_storefront,
    "dead-letters": ready_dead_letters,
    "faults": ready_faults,
    "drill": ready_drill,
    "contracts": ready_contracts,
    "matrix": ready_matrix,
    "labs": ready_labs,
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_no_fault_for_a_screen_reader_and_its_picture_is_taken(
    page: Page, played: Played, view: str
) -> None:
    VIEWS[view](page, played)
    PICTURES.mkdir(exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert violations(page) == []
        if view == "map":
            records_move(page, played)
        taken = page.screenshot(path=PICTURES / f"{view}-{theme}.png", animations="disabled")
        assert len(taken) <= MOST_BYTES


def test_axe_sees_a_planted_fault(page: Page) -> None:
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<button></button>')")
    assert [each for each in violations(page) if each.startswith("button-name")]


def test_the_map_moves_with_the_records_and_counts_above_fifty(page: Page, played: Played) -> None:
    order = played.write(scenes.placed_order())
    expect(page.locator("dl.facts dd").first).to_have_text("1")
    page.wait_for_function("() => document.querySelector('canvas').width > 300")
    entry = order.entries[0]
    played.run(played.log.write(*(replace(entry, key=scenes.order_id()) for _ in range(300))))
    expect(page.get_by_text(re.compile(r"^3\d\d/s$"))).to_be_visible()


def test_a_service_that_is_silent_and_a_log_that_cannot_be_read_are_said(page: Page, played: Played) -> None:
    inventory = played.looker.looks.services["inventory"]
    inventory.status, inventory.letters = "silent", None
    expect(page.get_by_text("No answer of inventory")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="inventory").first).to_contain_text("unknown")
    played.log.fault = LogUnreadable("Kafka does not answer: is the shop up?")
    expect(page.get_by_text("Kafka does not answer: is the shop up?").first).to_be_visible()
    played.log.fault = None
    expect(page.get_by_text("Kafka does not answer: is the shop up?")).to_have_count(0)


def test_an_order_grows_while_it_is_watched(page: Page, played: Played) -> None:
    order = played.write(scenes.captured())
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.locator(".node")).to_have_count(3)
    order.event("orders.order-confirmed.v1", 70, "payments.payment-captured.v1")
    played.run(played.log.write(order.entries[-1]))
    expect(page.locator(".node")).to_have_count(4)
    expect(page.locator(".head .pill")).to_have_text("confirmed")


def test_time_can_be_turned_back_and_shows_what_was_to_come_then(page: Page, played: Played) -> None:
    ready_order(page, played)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(page.locator(".node.later, .later .node")).to_have_count(8)
    expect(page.locator(".coming li").first).to_contain_text("stock-reserved")
    expect(page.locator(".head .pill")).to_have_text("pending")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("Nothing. Every step has happened.")).to_be_visible(timeout=3 * PATIENCE_MS)


@pytest.mark.parametrize(
    ("name", "begin"), [("JSON", b"{"), ("Mermaid", b"sequenceDiagram"), ("PNG", b"\x89PNG")]
)
def test_an_order_can_be_saved(page: Page, played: Played, name: str, begin: bytes) -> None:
    ready_order(page, played)
    with page.expect_download() as download:
        page.get_by_text(name, exact=True).click()
    saved = Path(download.value.path()).read_bytes()
    assert saved.startswith(begin)
    assert len(saved) > 500


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ("01985f0e-0000-7000-8000-000000000000", "The log has no record of this order"),
        ("nonsense", "its id is not a UUID"),
    ],
)
def test_an_order_that_does_not_exist_is_said(page: Page, played: Played, order: str, sentence: str) -> None:
    page.goto(f"{played.here}/order/{order}")
    expect(page.get_by_text(sentence)).to_be_visible()


def test_rubbish_is_shown_as_text_and_as_foreign(page: Page, played: Played) -> None:
    order = scenes.confirmed().foreign(
        200, fault="ce_type '<img src=x onerror=alert(1)>' is no event of this topic"
    )
    played.write(order)
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.locator("td").get_by_text("<img src=x onerror")).to_be_visible()
    expect(page.locator(".node.foreign")).to_have_count(1)


def test_an_order_of_ones_own_is_placed_watched_and_cancelled_by_keyboard(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/storefront")
    page.get_by_label("Quantity of Mug, blue").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Place the order").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".orders .pill")).to_have_text("pending")
    page.get_by_role("button", name="Cancel this order").focus()
    page.keyboard.press("Space")
    expect(page.locator(".orders .pill")).to_have_text("cancelled")


def test_every_view_is_reached_with_the_keyboard_alone(page: Page, played: Played) -> None:
    for title in ("Storefront", "Dead letters", "Faults", "Contracts", "Labs"):
        page.get_by_role("link", name=title, exact=True).focus()
        page.keyboard.press("Enter")
        heading = page.get_by_role("heading", name=title, exact=True, level=1)
        expect(heading).to_be_focused()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_a_dead_letter_is_redriven_by_its_key_and_discarded_only_when_one_is_sure(
    page: Page, played: Played
) -> None:
    played.services.letters["payments"] = [letter(7), letter(8, state="WAITING"), letter(9, "other")]
    page.goto(f"{played.here}/dead-letters")
    page.get_by_role("button", name="Redrive key of payments 8").click()
    expect(page.get_by_text("2 ended, 0 still open.")).to_be_visible()
    page.get_by_role("button", name="Discard payments 9").click()
    assert [verb for _, verb, _ in played.services.ended] == ["redrive"]
    page.get_by_role("button", name="Yes, discard").click()
    expect(page.get_by_text("No open dead letter.")).to_be_visible()
    assert [body["key"] or body["id"] for _, _, body in played.services.ended] == [KEY, 9]


def choose(page: Page, label: str, wanted: str) -> None:
    """Choose an entry of a list with the keyboard: its first letter, again until it is the wanted one."""
    entries = page.get_by_label(label, exact=True)
    entries.focus()
    for _ in range(5):
        page.keyboard.press(wanted[0])
        if entries.input_value() == wanted:
            return
    raise AssertionError(f"{wanted} cannot be reached with the keyboard")


def test_a_drill_is_answered_by_keyboard_alone(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/faults")
    page.get_by_label("Seed").fill("11")
    page.get_by_role("button", name="Start a drill").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Drill 11 is on for")).to_be_visible()
    choose(page, "Part", "kafka")
    choose(page, "Cause", "down")
    page.get_by_role("button", name="Answer").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No: the fault is not kafka, down.")).to_be_visible()
    choose(page, "Part", "payments")
    choose(page, "Cause", "frozen")
    page.get_by_role("button", name="Answer").focus()
    page.keyboard.press("Space")
    expect(page.locator(".pill").get_by_text("cured")).to_be_visible()
    expect(page.get_by_text("2983.20 EUR charged")).to_be_visible()


def test_a_drill_that_cannot_start_and_one_that_is_given_up_are_said(page: Page, played: Played) -> None:
    page.goto(f"{played.here}/faults")
    page.get_by_label("Seed").fill("-3")
    page.get_by_role("button", name="Start a drill").click()
    expect(page.get_by_text("The request is not valid.")).to_be_visible()
    page.get_by_label("Seed").fill("")
    page.get_by_role("button", name="Start a drill").click()
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("The fault was: payments: frozen")).to_be_visible()
    expect(page.get_by_role("button", name="Start a drill")).to_be_enabled()


def test_the_comparison_goes_on_while_other_views_are_looked_at(page: Page, played: Played) -> None:
    played.programs.held = True
    page.goto(f"{played.here}/contracts")
    page.get_by_role("button", name="Compare the newest releases").click()
    expect(page.get_by_text("orders is compared with everything that runs (1 of 5).")).to_be_visible()
    page.get_by_role("link", name="Map", exact=True).click()
    expect(page.get_by_role("heading", name="The floor")).to_be_visible()
    played.programs.held = False
    page.get_by_role("link", name="Contracts", exact=True).click()
    expect(page.get_by_text("let payments send it as before")).to_have_count(1)


def test_a_comparison_that_lacks_a_service_says_so(page: Page, played: Played) -> None:
    played.programs.unanswered = {"inventory"}
    page.goto(f"{played.here}/contracts")
    page.get_by_role("button", name="Compare the newest releases").click()
    expect(page.get_by_text("inventory: The log cannot be read")).to_be_visible()


def test_an_order_without_spans_has_no_waterfall_until_they_arrive(page: Page, played: Played) -> None:
    spans, played.programs.spans = played.programs.spans, []
    order = played.write(scenes.confirmed())
    page.goto(f"{played.here}/order/{order.id}")
    expect(page.get_by_text("No span of order")).to_be_visible()
    played.programs.spans = spans
    page.get_by_role("button", name="Read the trace again").click()
    expect(page.locator(".waterfall tbody tr")).to_have_count(12)
    expect(page.get_by_text("12 spans of 4 services")).to_be_visible()
    expect(page.get_by_role("link", name="Open in the store of traces")).to_have_count(0)


def test_an_order_leads_to_its_trace_where_a_store_is_named(page: Page, played: Played) -> None:
    played.programs.link = "http://127.0.0.1:16686/trace/1"
    order = played.write(scenes.confirmed())
    page.goto(f"{played.here}/order/{order.id}")
    link = page.get_by_role("link", name="Open in the store of traces")
    expect(link).to_have_attribute("href", "http://127.0.0.1:16686/trace/1")


def test_the_colours_are_chosen_and_kept(page: Page, played: Played) -> None:
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_movement_can_be_paused_and_is_off_for_people_who_want_less_of_it(
    page: Page, played: Played
) -> None:
    page.get_by_role("button", name="Pause the movement").click()
    expect(page.get_by_role("button", name="Show the movement")).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    expect(page.get_by_role("button", name="Show the movement")).to_be_visible()


def test_a_narrow_window_shows_every_view_without_a_bar_below(page: Page, played: Played) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    for path in ("/", "/storefront", "/dead-letters", "/faults", "/contracts"):
        page.goto(played.here + path)
        page.get_by_role("heading", level=1).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
