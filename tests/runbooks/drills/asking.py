"""Requests of drills: the login that a request needs, and the client that sends it."""

import httpx

from shop_stack.logins import CLERK, OPERATOR, Login
from shop_stack.ports import SERVICES

CUSTOMER = "c-drill"


def caller_of(part: str, method: str, path: str) -> str:
    """Who may send this request; empty for a part that asks for no token."""
    if part not in SERVICES:
        return ""
    if part == "orders" and method == "POST":
        return CUSTOMER
    if part == "inventory" and method != "GET" and not path.endswith("/republish"):
        return CLERK
    return OPERATOR


def http_client(login: Login | None = None) -> httpx.AsyncClient:
    """A client of the shop. Its addresses are plain HTTP, and loading certificates costs 30 ms of CPU each time."""
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=15, auth=login)
