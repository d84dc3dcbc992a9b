"""The HTTP API: read the payment of an order."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from chassis.events import Money
from chassis.web import Db, GuardedRoute, ProblemType, problem_answers
from chassis.web.access import Role, allow
from payments import handlers
from payments.domain import Reason, RefundState, State, UnknownPayment

router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)])

PROBLEMS: Mapping[type[Exception], ProblemType] = {
    UnknownPayment: ProblemType(404, "unknown-payment", "There is no payment of this order")
}


class RefundOut(BaseModel):
    """A refund that is due (PENDING) or made (REFUNDED)."""

    refund_id: UUID
    state: RefundState
    amount: Money
    reason: str | None = Field(
        description="why the order was cancelled; null if that was before release 0.2.0"
    )
    requested_at: datetime
    refunded_at: datetime | None = Field(description="null until the processor has made the refund")


class PaymentOut(BaseModel):
    """The payment of an order. No answer contains the card token."""

    order_id: UUID
    payment_id: UUID
    customer_id: str | None = Field(description="null while the service does not know the customer")
    state: State
    version: int
    amount: Money | None = Field(description="null while the service does not know the amount")
    decline_reason: Reason | None = Field(description="why the card was declined")
    attempts: int = Field(description="how often a job claimed the payment to charge the card")
    opened_at: datetime
    settled_at: datetime | None = Field(
        description="when the processor's answer (charged or declined) was recorded"
    )
    refunds: list[RefundOut]


@router.get(
    "/payments/{order_id}",
    summary="Read the payment of an order, with its refunds",
    responses=problem_answers(_404="unknown-payment: no event about this order has arrived"),
)
async def get_payment(order_id: UUID, database: Db) -> PaymentOut:
    async with database.reading() as connection:
        row = await handlers.read_payment(connection, order_id)
    amount = None if row["currency"] is None else Money.of_row(row["amount_minor"], row["currency"])
    refunds = []
    if row["refund_id"] is not None:
        refund_amount = Money.of_row(row["refund_minor"], row["currency"])
        refunds = [
            {
                **row,
                "state": row["refund_state"],
                "amount": refund_amount,
                "reason": row["cancel_reason"],
            }
        ]
    return PaymentOut.model_validate(
        {**row, "decline_reason": row["reason"], "amount": amount, "refunds": refunds}
    )
