"""Files of a stack that hold something else than was written are answered by a sentence, never by a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shop_stack import embedded, passwords, target
from shop_stack.errors import UserError
from shop_stack.process import Daemon
from shop_stack.target import TargetMissing

values = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
names = st.sampled_from(
    ["pid", "started", "boot", "base", "service_urls", "management_urls", "processor_url", "kafka", "spans"]
)
contents = st.binary(max_size=30) | (values | st.dictionaries(names, values)).map(
    lambda value: json.dumps(value).encode()
)
damaged = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@damaged
@given(contents)
def test_a_damaged_pid_file_means_that_nothing_runs(tmp_path: Path, content: bytes) -> None:
    daemon = Daemon("kafka", tmp_path)
    daemon.pid_file.parent.mkdir(exist_ok=True)
    daemon.pid_file.write_bytes(content)
    assert daemon.process() is None


@damaged
@given(contents)
def test_damaged_facts_of_a_stack_say_how_to_write_them_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stack.json").write_bytes(content)
    with pytest.raises(TargetMissing, match="cannot be read. Run `shop down`, then `shop up`"):
        target.embedded(tmp_path)
    embedded.stack(tmp_path)


@damaged
@given(st.binary(max_size=30) | values.map(lambda value: json.dumps(value).encode()))
def test_damaged_passwords_are_never_replaced_by_new_ones(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "passwords.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match="put it back as it was"):
        passwords.load_or_make(file)
    assert file.read_bytes() == content
