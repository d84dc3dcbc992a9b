"""What must hold, always: nine pure functions from evidence to what was judged and what was violated.

They stand in the order of the design, section 3. A violation names what it is
about, what was expected and what was found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shop_observe.kafka_log import Entry
from shop_observe.timeline import ENDINGS
from shop_observe.traces import roots_of
from shop_oracle import replay
from shop_oracle.evidence import ENDED, Evidence, Movement

DEADLINE_GRACE = timedelta(seconds=15)
"""How long after its deadline an order may still be PENDING: the sweeper's turn, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it must be."""

    subject: str
    """Such as ``order 0198…`` or ``sku MUG``."""
    expected: str
    found: str


@dataclass(slots=True)
class Judgement:
    """What came of one invariant."""

    judged: str
    """How much was looked at, such as ``300 orders``."""
    violations: list[Violation] = field(default_factory=list)
    unjudged: str = ""
    """Why it, or a part of it, could not be judged."""

    def expect(self, holds: bool, subject: str, expected: object, found: object) -> None:
        """Note a violation unless it holds."""
        if not holds:
            self.violated(subject, expected, found)

    def violated(self, subject: str, expected: object, found: object) -> None:
        self.violations.append(Violation(subject, str(expected), str(found)))


# --- 1 --------------------------------------------------------------------------------------------


def every_acknowledged_order_ends_once(evidence: Evidence) -> Judgement:
    """Every acknowledged order ends exactly once

    CONFIRMED, REJECTED or CANCELLED, in the database and in the log.
    An order whose answer was lost on the way is held to the same.
    """
    acknowledged = {r.order_id for r in evidence.requests if r.operation == "place-order" and r.status == 202}
    judgement = Judgement(f"{len(evidence.orders)} orders, {len(acknowledged)} acknowledged")
    for order_id in acknowledged - evidence.orders.keys():
        judgement.expect(
            False, f"order {order_id}", "an order: a client was told that it is taken", "nothing"
        )
    endings = endings_in(evidence.events())
    for order in evidence.orders.values():
        ended = order.state in ENDED
        judgement.expect(ended, f"order {order.id}", "an end", f"{order.state} since {order.placed_at}")
        if evidence.log.remembers(order.placed_at):
            told = endings.get(order.id, [])
            expected = [order.state] if ended else []
            judgement.expect(told == expected, f"order {order.id}", f"the log tells {expected}", told)
    unknown = evidence.unknown_orders()
    for order_id in endings.keys() - evidence.orders.keys():
        # An order that no service knows may be cancelled, so that its stock and its money go back.
        settled = order_id in unknown and "CONFIRMED" not in endings[order_id]
        judgement.expect(settled, f"order {order_id}", "an order: the log tells its end", "nothing")
    for request in evidence.requests:
        if request.operation == "cancel-order" and request.status in (200, 202):
            cancelled = evidence.orders.get(request.subject)
            state = cancelled.state if cancelled else "nothing"
            told_so = "CANCELLED: its customer was told so"
            judgement.expect(state == "CANCELLED", f"order {request.subject}", told_so, state)
    return judgement


def endings_in(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Order id → the terminal states that the log tells of, each event once."""
    events = {(entry.key, entry.id): ENDINGS[entry.type] for entry in entries if entry.type in ENDINGS}
    told: dict[str, list[str]] = defaultdict(list)
    for (order_id, _), state in events.items():
        told[order_id].append(state)
    return told


# --- 2 --------------------------------------------------------------------------------------------


def stock_is_conserved(evidence: Evidence) -> Judgement:
    """Stock is conserved

    `initial + replenished = on_hand + sold`, never `on_hand < reserved`, never negative. The counts are the
    sums of the reservations, and these end as their orders do.
    """
    judgement = Judgement(f"{len(evidence.products)} products, {len(evidence.reservations)} reservations")
    held, sold = pieces_in(evidence, "RESERVED"), pieces_in(evidence, "COMMITTED")
    for p in evidence.products.values():
        sku = f"sku {p.sku}"
        came, stands = p.initial + p.replenished, p.on_hand + p.sold
        judgement.expect(came == stands, sku, f"on_hand + sold = initial + replenished = {came}", stands)
        judgement.expect(
            p.on_hand >= p.reserved, sku, f"on_hand of at least the {p.reserved} reserved", p.on_hand
        )
        least = min(p.initial, p.replenished, p.on_hand, p.reserved, p.sold)
        judgement.expect(least >= 0, sku, "no negative count", least)
        judgement.expect(
            p.reserved == held[p.sku], sku, f"{held[p.sku]} reserved, by the reservations", p.reserved
        )
        judgement.expect(p.sold == sold[p.sku], sku, f"{sold[p.sku]} sold, by the reservations", p.sold)
    for name in (held.keys() | sold.keys()) - evidence.products.keys():
        judgement.expect(False, f"sku {name}", "a product: it is reserved or sold", "nothing")
    for request in evidence.requests:
        if request.operation == "list-product" and request.status == 201:
            product = evidence.products.get(request.subject)
            initial = product.initial if product else "nothing"
            told = f"initial {request.quantity}, as a client listed it"
            judgement.expect(initial == request.quantity, f"sku {request.subject}", told, initial)
    for order in evidence.ended_orders():
        reservation = evidence.reservations.get(order.id)
        state = reservation.state if reservation else "nothing"
        confirmed = order.state == "CONFIRMED"
        expected = f"stock {'committed' if confirmed else 'free'}: it is {order.state}"
        right = state == "COMMITTED" if confirmed else state not in ("COMMITTED", "RESERVED")
        judgement.expect(right, f"order {order.id}", expected, state)
    return judgement


def pieces_in(evidence: Evidence, state: str) -> Counter[str]:
    """SKU → pieces in the reservations of a state."""
    pieces: Counter[str] = Counter()
    for reservation in evidence.reservations.values():
        if reservation.state == state:
            for sku, quantity in reservation.lines:
                pieces[sku] += quantity
    return pieces


# --- 3 --------------------------------------------------------------------------------------------


def money_is_conserved(evidence: Evidence) -> Judgement:
    """Money is conserved: charged ⇔ confirmed, or refunded

    The processor's ledger = captured - refunded, order by order.
    """
    judgement = Judgement(f"{len(evidence.ledger)} ledger entries, {len(evidence.payments)} payments")
    kept: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = evidence.unknown_orders()
    left = left_of_charges(evidence.ledger)
    for entry in evidence.ledger:
        order_id = evidence.order_of(entry)
        given_back = entry.reference in unknown and not left[entry.charge_id]
        judgement.expect(
            order_id != "" or given_back,
            f"charge {entry.charge_id}",
            "an order that it is for",
            entry.reference,
        )
        kept[order_id][entry.currency] += (
            entry.amount_minor if entry.kind == "charge" else -entry.amount_minor
        )
    told = money_in(evidence.events())
    for order in evidence.ended_orders():
        owed = {order.currency: order.total_minor} if order.state == "CONFIRMED" else {}
        why = f"{owed or 'nothing'} kept: it is {order.state}"
        ledger = {currency: amount for currency, amount in kept[order.id].items() if amount}
        judgement.expect(ledger == owed, f"order {order.id}", f"in the processor's ledger {why}", ledger)
        if evidence.log.remembers(order.placed_at):
            log = {currency: amount for currency, amount in told[order.id].items() if amount}
            judgement.expect(log == owed, f"order {order.id}", f"captured - refunded in the log: {why}", log)
    return judgement


def left_of_charges(ledger: Iterable[Movement]) -> Mapping[str, int]:
    """Charge id → what was charged and not given back."""
    left: Counter[str] = Counter()
    for entry in ledger:
        left[entry.charge_id] += entry.amount_minor if entry.kind == "charge" else -entry.amount_minor
    return left


def money_in(entries: Iterable[Entry]) -> Mapping[str, Counter[str]]:
    """Order id → currency → captured - refunded, each event once."""
    signs = {"payments.payment-captured.v1": 1, "payments.payment-refunded.v1": -1}
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in {entry.id: entry for entry in entries if entry.type in signs}.values():
        amount = entry.data.get("amount", {})
        told[entry.key][amount.get("currency", "?")] += signs[entry.type] * amount.get("amount_minor", 0)
    return told


# --- 4 --------------------------------------------------------------------------------------------

ONCE_PER_ORDER = frozenset({*replay.STATES})
"""Event types that an order has at most one of."""

MESSAGE_OF = {"CONFIRMED": "confirmed", "REJECTED": "rejected", "CANCELLED": "cancelled"}


def no_effect_happens_twice(evidence: Evidence) -> Judgement:
    """No effect happens twice

    One reservation, one capture, one refund per order, one message per cause, one order per idempotency key.
    """
    judgement = Judgement(f"{len(evidence.events())} events, {len(evidence.messages)} messages")
    for (kind, order_id), count in Counter((e.kind, e.reference) for e in evidence.ledger).items():
        judgement.expect(count == 1, f"order {order_id}", f"one {kind} in the processor's ledger", count)
    for (type_, key), ids in effects_in(evidence.events()).items():
        judgement.expect(len(ids) == 1, f"order {key}", f"one {type_} in the log", sorted(ids))
    for (order_id, kind), count in Counter((m.order_id, m.kind) for m in evidence.messages).items():
        judgement.expect(count == 1, f"order {order_id}", f"one message `{kind}`", count)
    told = {(message.order_id, message.kind) for message in evidence.messages}
    for order in evidence.ended_orders():
        kind = MESSAGE_OF[order.state]
        judgement.expect((order.id, kind) in told, f"order {order.id}", f"one message `{kind}`", "none")
    orders_of: dict[str, set[str]] = defaultdict(set)
    for request in evidence.requests:
        if request.operation == "place-order" and request.status == 202:
            orders_of[request.key].add(request.order_id)
    for key, orders in orders_of.items():
        judgement.expect(len(orders) == 1, f"idempotency key {key}", "one order", sorted(orders))
    return judgement


def effects_in(entries: Iterable[Entry]) -> Mapping[tuple[str, str], set[str]]:
    """(event type, order id) → ids of the events; a notification's type is followed by its kind."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        if entry.type in ONCE_PER_ORDER:
            ids[entry.type, entry.key].add(entry.id)
        elif entry.type == "notifications.notification-sent.v1":
            ids[f"{entry.type} ({entry.data.get('kind')})", entry.key].add(entry.id)
    return ids


# --- 5 --------------------------------------------------------------------------------------------


def no_key_is_out_of_order(evidence: Evidence) -> Judgement:
    """No key is out of order on any topic

    Versions rise from event to event. A repetition of an event does not count, nor does the same state that is
    published again on a compacted topic. A key stays on its partition, unless its topic was widened.
    """
    judgement = Judgement("")
    declared = {type_ for topic in evidence.topics for type_ in topic.events}
    topics = {topic.name: topic for topic in evidence.topics}
    latest: dict[tuple[str, str, str], Entry] = {}
    versions: dict[tuple[str, str, str], int] = {}
    seen: set[str] = set()
    for entry in evidence.events():
        data = entry.data
        version = data.get("version")
        if entry.type not in declared or not entry.id or entry.id in seen or not isinstance(version, int):
            continue
        seen.add(entry.id)
        # Notifications stand under their order's key, and each is an aggregate of its own.
        line = entry.topic, entry.key, data.get("notification_id", "")
        if before := latest.get(line):
            place = f"{entry.topic} key {entry.key}"
            again = topics[entry.topic].compacted and tells_the_same(before, entry)
            if version <= versions[line] and not again:
                expected = f"{entry.type} after version {versions[line]} of {before.place}"
                judgement.violated(place, expected, f"version {version} at {entry.place}")
            present = evidence.log.partitions.get(entry.topic, 0)
            if not may_follow(before.partition, entry.partition, topics[entry.topic].partitions, present):
                judgement.violated(place, f"partition {before.partition} for all of its events", entry.place)
        latest[line], versions[line] = entry, version
    judgement.judged = f"{len(latest)} keys"
    return judgement


def tells_the_same(before: Entry, after: Entry) -> bool:
    """Whether two events of a key are of one type and carry the same data, its version among it."""
    return before.type == after.type and before.data == after.data


def may_follow(before: int, after: int, declared: int, present: int) -> bool:
    """Whether a key may go from one partition of a topic to another.

    Only by widening, from the declared number of partitions or a multiple to one of its own multiples up to the
    present one: then a key stays where it is or goes to a partition that is new.
    """
    earlier = [n for n in range(declared, present, declared) if present % n == 0]
    return before == after or any(before < n <= after and after % n == before for n in earlier)


# --- 6 --------------------------------------------------------------------------------------------


def nothing_is_lost_between_services(evidence: Evidence) -> Judgement:
    """Outbox ⊆ Kafka ⊆ inbox + dead letters

    Every event that a service wrote was sent, and each subscriber handled it or kept it as a dead letter. Copies of
    dead letters are sent to topics of their own. A foreign record must be among the dead letters of each reader.
    """
    judgement = Judgement(f"{len(evidence.outbox)} written, {len(evidence.log.entries)} sent")
    sent = {entry.id for log in (evidence.log, evidence.copies) for entry in log.entries}
    compacted = {topic.name for topic in evidence.topics if topic.compacted}
    events_on = {topic.name for topic in evidence.topics}
    for row in evidence.outbox:
        log = evidence.log if row.topic in events_on else evidence.copies
        # Compaction keeps a key's newest event only, and that one tells everything.
        if row.event_id not in sent and row.topic not in compacted and log.remembers(row.time):
            judgement.expect(
                False, f"event {row.event_id}", f"{row.type} of {row.key} on {row.topic}", "not sent"
            )
    buried = {(letter.group, letter.place) for letter in evidence.dead_letters}
    buried_ids = {(letter.group, letter.event_id) for letter in evidence.dead_letters if letter.event_id}
    readers = {topic.name: topic.readers for topic in evidence.topics}
    subscribers = subscribers_of(evidence)
    for entry in evidence.log.entries:
        # A type that is not declared is nobody's, so every reader of the topic must have put it aside.
        for group in subscribers.get(entry.type, readers[entry.topic]):
            if (entry.source, entry.id) in evidence.inbox.get(group, ()):
                continue
            place = entry.topic, entry.partition, entry.offset
            if (group, place) not in buried and (group, entry.id) not in buried_ids:
                expected = f"{entry.type or 'a message'} in the inbox or the dead letters of {group}"
                judgement.violated(
                    f"event {entry.id or entry.place}", expected, f"neither; it stands at {entry.place}"
                )
    return judgement


def subscribers_of(evidence: Evidence) -> Mapping[str, list[str]]:
    """Declared event type → the groups that say they react to it; others skip it knowingly."""
    return {
        type_: [group for group in topic.readers if type_ in evidence.subscriptions.get(group, ())]
        for topic in evidence.topics
        for type_ in topic.events
    }


# --- 7 --------------------------------------------------------------------------------------------

UNFINISHED_PAYMENTS = frozenset({"AWAITING", "DUE", "CAPTURING", "CANCELLING"})
"""States in which a payment waits for something. OPENED is none of them: no stock, no payment."""


def nothing_stays_locked(evidence: Evidence) -> Judgement:
    """Nothing stays locked

    No reservation and no PENDING without a live saga, no refund and no message that stays unfinished.
    """
    judgement = Judgement(f"{len(evidence.orders)} orders, {len(evidence.reservations)} reservations")
    for order in evidence.orders.values():
        overdue = order.state == "PENDING" and evidence.taken_at > order.deadline_at + DEADLINE_GRACE
        expected = f"ended by its deadline {order.deadline_at}"
        judgement.expect(not overdue, f"order {order.id}", expected, f"PENDING at {evidence.taken_at}")
    for reservation in evidence.reservations.values():
        owner = evidence.orders.get(reservation.order_id)
        alive = owner is not None and owner.state == "PENDING"
        state = owner.state if owner else "no such order"
        expected = "a PENDING order behind reserved stock"
        judgement.expect(
            reservation.state != "RESERVED" or alive, f"order {reservation.order_id}", expected, state
        )
    for payment in evidence.payments.values():
        owner = evidence.orders.get(payment.order_id)
        alive = owner is not None and owner.state == "PENDING"
        done = payment.state not in UNFINISHED_PAYMENTS
        judgement.expect(done or alive, f"order {payment.order_id}", "a finished payment", payment.state)
    for refund in evidence.refunds:
        done = refund.state == "REFUNDED"
        judgement.expect(done, f"order {refund.order_id}", "the refund made", refund.state)
    for message in evidence.messages:
        done = message.state in ("SENT", "FAILED")  # FAILED: it has no address, and an alert tells so
        judgement.expect(done, f"order {message.order_id}", f"message `{message.kind}` sent", message.state)
    return judgement


# --- 8 --------------------------------------------------------------------------------------------


def one_trace_per_order(evidence: Evidence) -> Judgement:
    """One connected trace per order, across all services

    All of its spans hang from one root, and every service that had a part in it is among them.
    """
    sample = evidence.traces.of_order
    judgement = Judgement(f"{len(sample)} orders sampled", unjudged=evidence.traces.unjudged)
    expected = services_of(evidence, sample)
    for order_id, spans in sample.items():
        roots = roots_of(spans)
        found = ", ".join(f"{span.service} `{span.name}`" for span in roots) or "no span"
        judgement.expect(len(roots) == 1, f"order {order_id}", "one root from which all spans hang", found)
        missing = expected[order_id] - {span.service for span in spans}
        judgement.expect(not missing, f"order {order_id}", f"spans of {sorted(missing)}", "none")
    return judgement


def services_of(evidence: Evidence, orders: Iterable[str]) -> Mapping[str, set[str]]:
    """Order id → the services that published or took an event of it."""
    services: dict[str, set[str]] = {order_id: set() for order_id in orders}
    subscribers = subscribers_of(evidence)
    for entry in evidence.events():
        if entry.key in services:
            services[entry.key].update([entry.source.removeprefix("/"), *subscribers.get(entry.type, ())])
    return services


# --- 9 --------------------------------------------------------------------------------------------


def projections_follow_the_log(evidence: Evidence) -> Judgement:
    """Projections = projections rebuilt from offset 0

    Order by order, and report by report.
    """
    judgement = Judgement(f"{len(evidence.facts)} facts, {len(evidence.reports)} reports")
    if evidence.log.gone_before:
        judgement.unjudged = f"the log no longer begins at offset 0: {', '.join(evidence.log.gone_before)}"
        return judgement
    events = evidence.events()
    rebuilt = replay.replay(events)
    for order_id in rebuilt.keys() | evidence.facts.keys():
        facts, own = evidence.facts.get(order_id, {}), rebuilt.get(order_id, {})
        expected = {
            column: own.get(column) for column in replay.COMPARED if own.get(column) != facts.get(column)
        }
        found = {column: facts.get(column) for column in expected}
        judgement.expect(not expected, f"order {order_id} in analytics", expected, found)
    answers = replay.comparable(evidence.reports)
    names = replay.product_names(events)
    for report, own_answer in replay.comparable(replay.reports(rebuilt.values(), names)).items():
        answer = answers.get(report)
        judgement.expect(answer == own_answer, f"report {report}", own_answer, answer)
    return judgement


Invariant = Callable[[Evidence], Judgement]

INVARIANTS: Sequence[Invariant] = (
    every_acknowledged_order_ends_once,
    stock_is_conserved,
    money_is_conserved,
    no_effect_happens_twice,
    no_key_is_out_of_order,
    nothing_is_lost_between_services,
    nothing_stays_locked,
    one_trace_per_order,
    projections_follow_the_log,
)
"""In the order and numbering of the design, from 1."""
