"""Options of `docker buildx bake` for `make publish`: what each image is built of, and its name in the registry.

The image of a service is its newest release: it is built of the release's commit and has the release's version. The
images of tools are built of this clone and have the version of the whole.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from shop_contracts.releases.checkout import checkout
from shop_contracts.releases.model import Release
from shop_contracts.releases.release import read, services, versions
from shop_stack.errors import UserError
from shop_stack.paths import repository


def options(root: Path, registry: str, version: str, images: Sequence[str]) -> list[str]:
    """The options for these images. `version` is the version of the tools' images.

    The code of each release is taken out of git, into `.shop/releases`. Raises UserError if a service has no release,
    or if the clone lacks the commit of one.
    """
    found: list[str] = []
    for image in images:
        tag = version
        if image in services(root):
            release = newest(root, image)
            tag = release.version
            found += [
                f"--set={image}.context={asyncio.run(checkout(release, root))}",
                f"--set={image}.args.VERSION={tag}",
                f"--set={image}.args.REVISION={release.commit}",
            ]
        found.append(f"--set={image}.tags={registry}/shopfloor/{image}:{tag}")
    return found


def newest(root: Path, service: str) -> Release:
    """The newest release of a service. Raises UserError if it has none."""
    known = versions(root, service)
    if not known:
        raise UserError(f"{service} has no release: make one with `shop release {service}`, and commit it.")
    return read(root, service, known[-1])


def main(arguments: Sequence[str]) -> int:
    """Print one option a line, for `REGISTRY VERSION IMAGE...`. Returns the exit code."""
    registry, version, *images = arguments
    try:
        print("\n".join(options(repository(), registry, version, images)))
    except UserError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
