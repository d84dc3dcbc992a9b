"""A second process of a group, on ports of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shop_stack import groups
from shop_stack.passwords import write_private_text
from shop_stack.ports import free_port, http_status
from shop_stack.process import Daemon
from shop_stack.stack import Stack
from testkit import eventually


@asynccontextmanager
async def second_process(stack: Stack, unit: str) -> AsyncIterator[Daemon]:
    """Runs while the block does. It is ready when the block begins."""
    folder = stack.state / "secrets" / "second"
    ports = []
    for name in stack.members(unit):
        ports.append(free_port())
        settings = groups.settings_of(stack, name)
        settings |= {"HTTP_PORT": str(free_port()), "HTTP_MANAGEMENT_PORT": str(ports[-1])}
        settings["HTTP_HANDOVER_SOCKET"] = f"run/{name}-second.handover"
        if "KAFKA_GROUP_INSTANCE_ID" in settings:
            settings["KAFKA_GROUP_INSTANCE_ID"] = f"{name}-second"
        write_private_text(folder / f"{name}.env", groups.as_file(settings))
    daemon = Daemon(f"{unit}-second", stack.state)
    argv = [str(groups.project_of(stack, unit).python), "-m", "chassis.group", *stack.members(unit)]
    environment = {**groups.environment_of(stack, unit), "GROUP_SETTINGS": str(folder)}
    daemon.start(argv, env=environment, cwd=stack.state)

    async def is_ready() -> None:
        for port in ports:
            assert await http_status(port, "/readyz") == 200

    try:
        await eventually(is_ready, 60)
        yield daemon
    finally:
        await daemon.stop()
