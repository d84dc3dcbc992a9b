"""The problem types of refused tokens. Each answer has a `WWW-Authenticate` header (RFC 6750)."""

from chassis.web.problems import Problem, ProblemType

REALM = "shopfloor"
EXPIRED = "token-expired"
FOREIGN_AUDIENCE = "token-audience"
FOREIGN_ISSUER = "token-issuer"
TOKEN_MALFORMED = "token-malformed"
MISSING = "token-missing"
NOT_YET_VALID = "token-not-yet-valid"
ROLE_MISSING = "role-missing"
TOKEN_TOO_LARGE = "token-too-large"
UNKNOWN_KEY = "token-key-unknown"
UNSIGNED = "token-unsigned"
WRONG_ALGORITHM = "token-algorithm"
WRONG_SIGNATURE = "token-signature"

TITLES = {
    EXPIRED: "The token has expired",
    FOREIGN_AUDIENCE: "The token is for another service",
    FOREIGN_ISSUER: "The token is of another issuer",
    TOKEN_MALFORMED: "The token cannot be read",
    MISSING: "A token is missing",
    NOT_YET_VALID: "The token is not valid yet",
    ROLE_MISSING: "The caller does not have the role",
    TOKEN_TOO_LARGE: "The token is too large",
    UNKNOWN_KEY: "The token's key is not known",
    UNSIGNED: "The token is not signed",
    WRONG_ALGORITHM: "The token's algorithm is not accepted",
    WRONG_SIGNATURE: "The token's signature is wrong",
}
"""Slug → title."""


class TokenRefused(Problem):
    """A token that is missing or not accepted (401), or whose roles are not enough (403)."""

    def __init__(self, slug: str, detail: str, scope: str = "") -> None:
        """`slug` is one of TITLES. `scope` names the roles that would be enough."""
        status = 403 if slug == ROLE_MISSING else 401
        super().__init__(status, slug, TITLES[slug], detail)
        self.type = ProblemType(status, slug, TITLES[slug], {"WWW-Authenticate": _challenge(slug, scope)})


def _challenge(slug: str, scope: str) -> str:
    """The value of `WWW-Authenticate`. A request without a token gets no error code (RFC 6750, 3.1)."""
    if slug == MISSING:
        return f'Bearer realm="{REALM}"'
    if slug == ROLE_MISSING:
        return f'Bearer realm="{REALM}", error="insufficient_scope", scope="{scope}"'
    return f'Bearer realm="{REALM}", error="invalid_token", error_description="{TITLES[slug]}"'
