"""The answers of services: health, release and dead letters. A service that answers rubbish is silent."""

from __future__ import annotations

from pathlib import Path

from aiokafka import TopicPartition

from shop_floor.looks import Looker, reading_of
from tools.floor.tests.scenes import TOPICS, fake_target
from tools.floor.tests.services import Services, letter, serving


async def test_each_service_says_its_health_release_and_dead_letters(tmp_path: Path) -> None:
    services = Services(letters={"payments": [letter(1), letter(2)]}, silent={"inventory"})
    with serving(services.app()) as url:
        async with Looker(fake_target(url, tmp_path), TOPICS) as looker:
            told = (await looker.look()).as_json()
    payments, inventory = told["services"]["payments"], told["services"]["inventory"]
    assert (payments["status"], payments["version"], payments["letters"]) == ("ready", "0.3.0", 2)
    assert payments["failed"] == {"relay": "away: \ufffd[31mOSError"}
    assert (inventory["status"], inventory["letters"]) == ("silent", None)
    assert "Kafka does not answer" in told["kafka"]


def test_a_reading_is_the_sum_of_its_partitions() -> None:
    places = [TopicPartition("orders.order.v1", number) for number in range(3)]
    ends = {places[0]: 10, places[1]: 5, places[2]: 2, TopicPartition("other", 0): 99}
    reading = reading_of("orders.order.v1", ends, {places[0]: 7, places[1]: 5})
    assert (reading.read, reading.lag) == (12, 5)
