"""A service's own metrics, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from flashdrill.model.addresses import shown
from flashdrill.observe.samples import Sample

PREFIX = "flashdrill_"
TIMEOUT_S = 2.0
MOST_BYTES = 8_388_608


class PrometheusSource:
    """One scrape at a time over one session; `close` ends it."""

    def __init__(self, url: str, *, prefix: str = PREFIX) -> None:
        self._url = url
        self._prefix = prefix
        self._session: aiohttp.ClientSession | None = None

    async def read(self) -> list[Sample]:
        """What it says now. Raises OSError, TimeoutError, ValueError."""
        if self._session is None:
            limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=limit, trust_env=False)
        return list(parse(await _fetch(self._session, self._url), self._prefix))

    async def close(self) -> None:
        """Give the connection back."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def scrape(url: str, *, timeout_s: float = TIMEOUT_S, prefix: str = PREFIX) -> list[Sample]:
    """A single scrape: the samples whose names start with `prefix`.

    Raises OSError (not reachable, or not 200), TimeoutError, ValueError (not the format).
    """
    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=limit, trust_env=False) as session:
        return list(parse(await _fetch(session, url), prefix))


def parse(text: str, prefix: str = PREFIX) -> Iterator[Sample]:
    """The samples of a text whose names start with `prefix`; NaN and infinities say nothing and are left out.

    Raises ValueError.
    """
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            value = float(sample.value)
            is_wanted = sample.name.startswith(prefix) and not sample.name.endswith("_created")
            if is_wanted and isfinite(value):
                yield Sample(sample.name, value, dict(sample.labels))


async def _fetch(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ConnectionError(f"{shown(url)} answered {answer.status}")
            body = await answer.content.read(MOST_BYTES)
            while len(body) < MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                body += more
            return body.decode()
    except TimeoutError:
        raise
    except aiohttp.ClientError as error:
        raise ConnectionError(f"{shown(url)}: {error}") from None
