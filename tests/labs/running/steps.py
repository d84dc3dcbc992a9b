"""Does the commands of labs on the embedded shop, block by block."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shop_stack import embedded
from shop_stack.loops import in_own_loop
from shop_stack.ports import free_base
from shop_stack.shapes import Shape
from shop_stack.stack import Stack
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Output, Shop

SECONDS = 400.0


@contextmanager
def files_of_a_shop(shape: Shape | None = None) -> Iterator[Stack]:
    """A shop in a folder and on ports of its own, which runs, and which a page may stop and start again."""
    with tempfile.TemporaryDirectory(prefix="shop-labs-") as folder:
        made = embedded.stack(Path(folder) / "state", free_base(), shape=shape)
        try:
            in_own_loop(embedded.up(made))
            yield made
        finally:
            in_own_loop(embedded.down(made, wipe=True))


async def do(
    shop: Shop,
    page: FollowedPage,
    number: int,
    fill: Mapping[str, str] | None = None,
    codes: Collection[int] = (0,),
) -> list[Output]:
    """Run the commands of a block as they are printed. Each must end with one of the codes.

    `shop status` may also say with 3 that a part does not work, which is what the page has done.
    """
    outputs = []
    for command in page.follow(page.blocks[number]):
        filled = shop.printed_here(command)
        for placeholder, value in (fill or {}).items():
            filled = filled.replace(placeholder, value)
        output = await shop.bash(filled, SECONDS)
        assert output.code in codes or (output.code == 3 and "status" in command), output
        outputs.append(output)
    return outputs
