"""A planted skew bug is red in the cells of the two services that it concerns, and in no other."""

from pathlib import Path

from shop_lab.skew.cells import Question
from shop_lab.skew.run import prove
from tests.skew.planted import READER, WRITER, pairs_with_bug

UNCONCERNED = "payments"
RED = {
    (WRITER, Question.BESIDE_OLD),  # N of orders writes what N−1 of notifications reads
    (READER, Question.BESIDE_NEW),  # N−1 of notifications reads what N of orders writes
    (READER, Question.NEW_SCHEMA),
}


async def test_a_planted_skew_bug_is_red_in_the_right_cells_and_in_no_other(tmp_path: Path) -> None:
    with pairs_with_bug(tmp_path) as pairs:
        report = await prove(pairs, (WRITER, UNCONCERNED, READER), print)
    found = {(cell.service, cell.question): cell for cell in report.cells}
    assert {place for place, cell in found.items() if cell.ruling == "red"} == RED, report.as_json()
    assert {cell.ruling for place, cell in found.items() if place not in RED} == {"green"}, report.as_json()
    assert not report.holds
    for place in RED:
        assert f"{READER} could not handle orders.order-confirmed.v1" in found[place].reason
    for cell in report.cells:
        assert not cell.expected.old_to_new or cell.crossings.old_to_new > 0
        assert not cell.expected.new_to_old or cell.crossings.new_to_old > 0
    assert found[WRITER, Question.NEW_SCHEMA].note.startswith("schema ")
