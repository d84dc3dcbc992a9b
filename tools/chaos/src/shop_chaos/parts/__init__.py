"""What an injector can do to a part of a shop, for each way in which a shop can run.

part_control.py   the functions
embedded.py       processes of this machine
compose.py        containers, by docker
cluster.py        pods, by kubectl
"""

from shop_chaos.parts.cluster import ClusterParts
from shop_chaos.parts.compose import ComposeParts
from shop_chaos.parts.embedded import EmbeddedParts
from shop_chaos.parts.part_control import PartControl

__all__ = ["ClusterParts", "ComposeParts", "EmbeddedParts", "PartControl"]
