"""The part of the verdict that the oracle gives, and the records that services published because of mutants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz.sorting import Finding, Sent
from shop_observe.kafka_log import Entry
from shop_oracle.report import Ruling, Verdict


def key_of(sent: Sent) -> str:
    """The key of a mutant as the oracle reads it."""
    return (sent.mutant.draft.key or b"").decode(errors="replace")


def of_other_keys(verdict: Verdict, keys: Set[str]) -> Verdict:
    """The verdict without violations that name a key of a mutant.

    A mutant may be a valid event, such as the capture of a payment that was never made. Then the log is wrong about
    this key, and the oracle says so. Sums, and all other keys, are judged as always.
    """
    return replace(verdict, rulings=[_of_other_keys(ruling, keys) for ruling in verdict.rulings])


def _of_other_keys(ruling: Ruling, keys: Set[str]) -> Ruling:
    left = [one for one in ruling.judgement.violations if not keys & set(one.subject.split())]
    return replace(ruling, judgement=replace(ruling.judgement, violations=left))


def published(entries: Iterable[Entry], sent: Sequence[Sent]) -> list[Finding]:
    """Findings: records that break their contract, and that no mutant is. A service has published each of them."""
    ours = {place for one in sent for place in one.places}
    mutants = {key_of(one): one.mutant for one in sent}
    found = []
    for entry in entries:
        place = Place(entry.topic, entry.partition, entry.offset)
        if entry.fault and place not in ours and (mutant := mutants.get(entry.key)):
            what = f"published {entry.type}, which breaks its contract: {entry.fault[:120]}"
            found.append(
                Finding(
                    mutant.spec, mutant.steps, mutant.draft.type, entry.source.strip("/"), what, str(place)
                )
            )
    return found
