"""A route that checks the caller's token and role before it parses the body. `BodyLimit` has read the body already."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request, Response, params
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from chassis.web.access import Access, Caller
from chassis.web.audit import is_act, note_act
from chassis.web.bearer import bearer_token
from chassis.web.context import context_of
from chassis.web.problems import problem_answers
from chassis.web.retry_route import Handler, RetryRoute
from chassis.web.token_problems import ROLE_MISSING, TokenRefused

SCHEME = "bearer"
"""The name of the security scheme in OpenAPI documents."""
REFUSALS = problem_answers(
    _401="token-missing, token-malformed, token-expired, token-not-yet-valid, or another problem of the token",
    _403="role-missing",
    _429="too-many-requests",
)


class UndeclaredAccess(TypeError):
    """A route does not declare who may call it."""


class GuardedRoute(RetryRoute):
    """A route whose caller needs a token with one of the declared roles. See `chassis.web.access`.

    A declaration of the route replaces that of its router. Without any, the route is not built: UndeclaredAccess.
    """

    access: Access

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        openapi_extra: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """See `fastapi.routing.APIRoute`. Raises UndeclaredAccess."""
        declared = [each.dependency for each in dependencies or () if isinstance(each.dependency, Access)]
        if not declared:
            raise UndeclaredAccess(f"{path} does not declare who may call it: dependencies=[allow(Role.…)]")
        self.access = declared[-1]
        others = [each for each in dependencies or () if not isinstance(each.dependency, Access)]
        security = [{SCHEME: [role.value]} for role in self.access.roles]
        super().__init__(
            path,
            endpoint,
            dependencies=others,
            responses={**({} if self.access.is_public else REFUSALS), **(responses or {})},
            openapi_extra={"security": security} | (openapi_extra or {}),
            **more,
        )

    def get_route_handler(self) -> Handler:
        """The handler of RetryRoute, behind the check of the token."""
        handle = super().get_route_handler()
        access = self.access
        if access.is_public:
            return handle
        changes_the_shop = is_act(self.methods or set(), access)

        async def handle_guarded(request: Request) -> Response:
            context = context_of(request)
            caller = await context.tokens.verify(bearer_token(request.scope["headers"]))
            request.state.caller = caller
            if context.rate_limit is not None:
                context.rate_limit.take(caller)
            require_role(caller, access)
            return await (note_act(request, handle) if changes_the_shop else handle(request))

        return handle_guarded


def require_role(caller: Caller, access: Access) -> None:
    """Raises TokenRefused 403 `role-missing` if the caller has none of the roles."""
    if caller.roles.isdisjoint(access.roles):
        wanted = " or ".join(access.roles)
        raise TokenRefused(ROLE_MISSING, f"This needs the role {wanted}.", scope=" ".join(access.roles))


def require_declared_access(routes: Sequence[BaseRoute]) -> None:
    """Raises UndeclaredAccess for a route of the API that is no GuardedRoute."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute) and not isinstance(route, GuardedRoute):
            raise UndeclaredAccess(
                f"{context.path} does not declare who may call it: its router needs route_class=GuardedRoute"
            )
