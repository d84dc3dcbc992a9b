"""The entry point of `shop`. A fault that is found while the commands are imported is one sentence, too."""

from __future__ import annotations

import sys

from shop_stack.errors import UserError


def main() -> None:
    """Run the command, or say in one sentence why it cannot begin."""
    try:
        from shop import cli
    except UserError as error:
        print(f"shop: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
