"""The security scheme in an app's OpenAPI document. With it the page `/docs` can send a token."""

from functools import wraps
from typing import Any

from fastapi import FastAPI

from chassis.web.guarded_route import SCHEME

DESCRIPTION = (
    "A token of the issuer whose audience is this service (`shop token WHO` prints one)."
    " An operation lists the roles of which a caller needs one."
)


def describe_security(app: FastAPI) -> None:
    """Add the scheme to the app's OpenAPI document."""
    generate = app.openapi

    @wraps(generate)
    def openapi() -> dict[str, Any]:
        document = generate()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes[SCHEME] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": DESCRIPTION,
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign]
