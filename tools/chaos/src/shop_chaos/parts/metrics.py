"""Reads the metrics of one process."""

from __future__ import annotations

import httpx


async def over_http(management_url: str) -> dict[str, str]:
    """Its management address → its metrics; {} if it does not answer."""
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        try:
            return {management_url: (await client.get(f"{management_url}/metrics")).text}
        except httpx.HTTPError:
            return {}
