"""The card processor, an outside system: the only module that speaks to it (docs/decisions/0002)."""

from collections.abc import Mapping

import httpx
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from chassis.database import Unavailable
from chassis.telemetry import start_span, traceparent_of
from payments.domain import Charge, Charged, Declined, Reason, Refund, Refunded


class ProcessorUnavailable(Unavailable):
    """No answer that settles the question. The processor may have done it: ask again with the same key."""


class Processor:
    """A client of the processor's HTTP API at `url`.

    `timeout_seconds` bounds each wait (for a free connection, for the answer); at most `connections` at once.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float,
        connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
            trust_env=False,  # a proxy meant for the internet is not meant for this
        )

    async def charge(self, charge: Charge) -> Charged | Declined:
        """Ask for the money, once per payment however often it is called. Raises ProcessorUnavailable."""
        body = {
            "token": charge.token,
            "amount_minor": charge.amount_minor,
            "currency": charge.currency,
            "reference": str(charge.order_id),
        }
        answer = await self._post("/charges", "charge card", body, str(charge.payment_id), charge.traceparent)
        if answer.status_code == 201:
            return Charged(_field(answer, "charge_id"))
        if answer.status_code == 402:
            return Declined(_reason(_field(answer, "reason")))
        if answer.status_code in (400, 422):  # it does not understand the token and never will
            return Declined(Reason.DECLINED)
        raise _unsettled(answer)

    async def refund(self, refund: Refund) -> Refunded:
        """Give the money back, once per refund however often it is called. Raises ProcessorUnavailable."""
        path = f"/charges/{refund.charge_id}/refunds"
        body = {"amount_minor": refund.amount_minor, "currency": refund.currency}
        answer = await self._post(path, "refund card", body, str(refund.refund_id), refund.traceparent)
        if answer.status_code == 201:
            return Refunded()
        raise _unsettled(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _post(
        self, path: str, what: str, body: Mapping[str, object], key: str, traceparent: str | None
    ) -> httpx.Response:
        # The span continues the fact that made this due; the token is in the body and nowhere else.
        span = start_span(what, SpanKind.CLIENT, traceparent, {"idempotency.key": key})
        headers = {"Idempotency-Key": key}
        if parent := traceparent_of(span):
            headers["traceparent"] = parent
        with trace.use_span(span, end_on_exit=True):
            try:
                answer = await self._http.post(path, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise ProcessorUnavailable(f"{type(error).__name__} from the card processor") from error
            span.set_attribute("http.response.status_code", answer.status_code)
        return answer


def _unsettled(answer: httpx.Response) -> ProcessorUnavailable:
    return ProcessorUnavailable(f"the card processor answered {answer.status_code}")


def _field(answer: httpx.Response, name: str) -> str:
    try:
        return str(answer.json()[name])
    except (ValueError, KeyError, TypeError) as error:
        raise ProcessorUnavailable(f"the card processor's answer has no {name}") from error


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:  # a reason that we have no word for is still a refusal
        return Reason.DECLINED
