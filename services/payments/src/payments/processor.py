"""The client of the card processor, an outside system. No other module calls the processor (docs/decisions/0002).

It uses aiohttp. Each order needs such a call, and httpx needs ten times the CPU for it.

The processor's answers are not trusted. An answer is a result only if it has the amount, the currency and the reference
that were sent, and an id that is safe as a part of a path. A redirect is not followed: it could name any address.
"""

from collections.abc import Mapping
from typing import Annotated, TypeVar

import aiohttp
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from chassis.errors import Unavailable
from chassis.observability.outages import OUTAGES
from payments.domain import CARD_PROCESSOR, Charge, Charged, Declined, Reason, Refund, Refunded

ALREADY_REFUNDED = "urn:shopfloor:problem:already-refunded"

MAX_ANSWER_BYTES = 65_536
"""The largest answer that is read. The processor's answers are some hundred bytes."""

_TRACER = trace.get_tracer(__name__)
_TRACE_CONTEXT = TraceContextTextMapPropagator()


class ProcessorUnavailable(Unavailable):
    """The result of a call is not known. The processor may have executed the call. Repeat it with the same key.

    It is also raised for an answer that is no result, such as 400, 422, or one with another amount, although the
    processor is available then.
    """

    dependency = CARD_PROCESSOR


class _Answer(BaseModel):
    """The body of an answer. A field with another JSON type is refused, and other fields are ignored."""

    model_config = ConfigDict(strict=True)


class _Made(_Answer):
    """A charge or a refund that the processor made."""

    charge_id: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,64}$")]
    amount_minor: int
    currency: str


class _MadeCharge(_Made):
    reference: str


class _DeclinedCharge(_Answer):
    reason: str


class _Problem(_Answer):
    type: str


AnyAnswer = TypeVar("AnyAnswer", bound=_Answer)


class Processor:
    """A client of the processor's HTTP API at `url`. Each call has the API key of the merchant.

    A call waits at most `timeout_seconds` for its answer. At most `connections` are open, and they are reused.
    """

    def __init__(self, url: str, api_key: str, timeout_seconds: float, connections: int) -> None:
        self._url = url.rstrip("/")
        self._login = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def charge(self, charge: Charge) -> Charged | Declined:
        """Charge a card. Repeated calls charge a payment once. Raises ProcessorUnavailable.

        Only the status codes 201 and 402 are results. After any other answer the charge may exist, or be made later.
        So it is with a 201 that has another amount, currency or reference than the charge.
        """
        body = {
            "token": charge.token,
            "amount_minor": charge.amount_minor,
            "currency": charge.currency,
            "reference": str(charge.order_id),
        }
        status, answer = await self._post(
            "/charges", "charge card", body, str(charge.payment_id), charge.traceparent
        )
        if status == 201:
            made = _read(_MadeCharge, answer)
            sent = (charge.amount_minor, charge.currency, str(charge.order_id))
            if (made.amount_minor, made.currency, made.reference) != sent:
                raise ProcessorUnavailable("the card processor's answer is about another charge")
            return Charged(made.charge_id)
        if status == 402:
            return Declined(_reason(_read(_DeclinedCharge, answer).reason))
        # 400 and 422 are treated as unknown results, too. They show a bug and not a declined card.
        raise _unknown_result(status)

    async def refund(self, refund: Refund) -> Refunded:
        """Refund a charge. Repeated calls make a refund once. Raises ProcessorUnavailable.

        A charge that was already refunded under another key counts as refunded.
        """
        path = f"/charges/{refund.charge_id}/refunds"
        body = {"amount_minor": refund.amount_minor, "currency": refund.currency}
        status, answer = await self._post(
            path, "refund card", body, str(refund.refund_id), refund.traceparent
        )
        if status == 201:
            made = _read(_Made, answer)
            sent = (refund.charge_id, refund.amount_minor, refund.currency)
            if (made.charge_id, made.amount_minor, made.currency) != sent:
                raise ProcessorUnavailable("the card processor's answer is about another refund")
            return Refunded()
        if status == 409 and _is_problem(answer, ALREADY_REFUNDED):
            return Refunded()
        raise _unknown_result(status)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(
        self, path: str, what: str, body: Mapping[str, object], key: str, traceparent: str | None
    ) -> tuple[int, bytes]:
        # The span continues the trace of the event that made the payment due. The token is in the body only, never in
        # the span or a header.
        context = _TRACE_CONTEXT.extract({"traceparent": traceparent or ""})
        headers = {"Idempotency-Key": key}
        about = {"idempotency.key": key}
        with _TRACER.start_as_current_span(what, context, SpanKind.CLIENT, about) as span:
            _TRACE_CONTEXT.inject(headers)
            try:
                post = self._opened().post
                async with post(
                    self._url + path, json=body, headers=headers, allow_redirects=False
                ) as answer:
                    content = await _content_of(answer)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                unavailable = ProcessorUnavailable(f"{type(error).__name__} from the card processor")
                OUTAGES.failed(unavailable.dependency, what, error)
                raise unavailable from error
            OUTAGES.answered(ProcessorUnavailable.dependency)
            span.set_attribute("http.response.status_code", answer.status)
        return answer.status, content

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # created on first use, because it belongs to the running event loop
            connector = aiohttp.TCPConnector(limit=self._connections)
            # Without compression, a few bytes cannot become a large answer.
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers={"Accept-Encoding": "identity", "Authorization": self._login},
                auto_decompress=False,
            )
        return self._session


async def _content_of(answer: aiohttp.ClientResponse) -> bytes:
    """The body of the answer. Raises ClientPayloadError for one that is too large; its connection is then closed."""
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _unknown_result(status: int) -> ProcessorUnavailable:
    return ProcessorUnavailable(f"the card processor answered {status}")


def _is_problem(answer: bytes, problem: str) -> bool:
    try:
        return _Problem.model_validate_json(answer).type == problem
    except ValidationError:
        return False


def _read(kind: type[AnyAnswer], content: bytes) -> AnyAnswer:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        wrong = ".".join(str(part) for part in error.errors()[0]["loc"]) or "JSON object"
        # The error itself shows values of the answer.
        raise ProcessorUnavailable(f"the card processor's answer has no right {wrong}") from None


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:  # a reason that is not in `Reason` is a declined card all the same
        return Reason.DECLINED
