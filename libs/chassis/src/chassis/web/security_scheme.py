"""The security of an app: each route has declared its access, and the OpenAPI document has the security scheme.

With the scheme the page `/docs` can send a token.
"""

from functools import wraps
from typing import Any

from fastapi import FastAPI

from chassis.web.guarded_route import SCHEME, require_declared_access

DESCRIPTION = (
    "A token of the issuer whose audience is this service (`shop token WHO` prints one)."
    " An operation lists the roles of which a caller needs one."
)


def install_security(app: FastAPI) -> None:
    """Add the scheme to the OpenAPI document of an app that has all its routes. Raises UndeclaredAccess."""
    require_declared_access(app.routes)
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
