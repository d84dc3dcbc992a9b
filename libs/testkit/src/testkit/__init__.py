"""For tests of services and of the chassis. The fixtures are in `testkit.plugin`."""

from testkit.events import published, received
from testkit.http import client, listening
from testkit.sql import differences, statements
from testkit.waiting import eventually

__all__ = ["client", "differences", "eventually", "listening", "published", "received", "statements"]
