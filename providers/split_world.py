"""The world of a shift as it is: records and receipts on disk, engines over HTTP, the router by its client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from delivery.client_api import SECRET_HEADER, SERVICE_HEADER, path_under
from delivery.color import Color, Weights
from delivery.coverage import Subject
from delivery.receipt import GateName, Receipt
from delivery.split_record import SplitRecord
from probes.color_count import count_colors
from probes.engine_client import alive, key_headers, probe_pool
from probes.receipts import read_receipt, read_record, write_record
from probes.router import ForeignWeights, RouterClient, RouterTimeout, RouterUnreachable
from probes.sleep import wake
from probes.smoke import SmokeTarget, smoke
from probes.stack_home import StackHome
from providers.progress import about, say
from providers.split_transaction import ShiftFailed

IDENTITY_SECONDS = 10.0
TOKEN_SECONDS = 20.0
"""For one token of an engine that is loaded and, it may be, busy. A hung one costs this much of a rollback to it, never of one from it."""

READ_BACK_SECONDS = 15.0
SMOKE_SECONDS = 30.0


@dataclass(frozen=True)
class Pools:
    """The two pools of a service: release digests and engines, by color; the model name they serve; where clients reach them."""

    releases: Mapping[Color, str]
    engines: Mapping[Color, Sequence[str]]
    model: str
    path_prefix: str
    sets: Mapping[GateName, str]
    probes: int


class LiveSplitWorld:
    """A SplitWorld over one service of one stack."""

    def __init__(self, home: StackHome, service: str, pools: Pools, router: RouterClient) -> None:
        self._home, self._service, self._pools, self._router = home, service, pools, router
        self._key = home.engine_key if home.engine_key.is_file() else None

    def read_record(self) -> SplitRecord:
        return read_record(self._home.path, self._service)

    def write_record(self, record: SplitRecord) -> None:
        write_record(self._home.path, self._service, record)

    def live_weights(self) -> Weights | None:
        try:
            return self._router.live_weights(self._service)
        except ForeignWeights as error:
            remembered = self.read_record().weights
            say(f"warning: {error}; they count as {remembered or 'none'}, the weights of the last shift, and are written anew")
            return remembered
        except RouterUnreachable as error:
            raise self._unreachable(error) from None

    def identities(self, color: Color) -> Mapping[str, str | None]:
        states = probe_pool(self._engines(color), self._pools.model, IDENTITY_SECONDS, self._key, tokens=False)
        return {engine: state.identity for engine, state in states.items()}

    def wake(self, color: Color) -> None:
        wake(self._engines(color), self._key, about(f"{self._service}/{color}"))

    def silent_engines(self, color: Color) -> Mapping[str, str | None]:
        async def every() -> list[str | None]:
            return await asyncio.gather(*(alive(engine, self._pools.model, TOKEN_SECONDS, self._key) for engine in self._engines(color)))

        return dict(zip(self._engines(color), asyncio.run(every()), strict=True))

    def receipts(self, color: Color, identities: Mapping[str, str | None]) -> Sequence[tuple[str, Receipt | None, Subject]]:
        release = self._pools.releases[color]
        return [
            (gate, read_receipt(self._home.path, self._service, color, gate), Subject(release, identities, self._pools.sets.get(gate, "")))
            for gate in GateName
        ]

    def write_weights(self, weights: Weights | None) -> None:
        try:
            self._router.write_weights(self._service, weights)
        except RouterUnreachable as error:
            raise self._unreachable(error) from None

    def await_weights(self, weights: Weights | None) -> None:
        try:
            self._router.await_weights(self._service, weights, READ_BACK_SECONDS)
        except RouterTimeout as error:
            raise ShiftFailed(f"services.{self._service}: {error}, need the router to take what was written") from None
        except RouterUnreachable as error:
            raise self._unreachable(error) from None

    def count_colors(self, at_least: int) -> Mapping[Color | None, int]:
        headers = {SECRET_HEADER: self._secret(), SERVICE_HEADER: self._service} | key_headers(self._key)
        return count_colors(self._router.url, path_under(self._pools.path_prefix, "/v1/models"), max(at_least, self._pools.probes), headers)

    def smoke(self, color: Color) -> str | None:
        pools = self._pools
        target = SmokeTarget(self._router.url, pools.path_prefix, pools.model, color, self._secret(), self._key, self._service)
        return smoke(target, deadline_seconds=SMOKE_SECONDS)

    def _secret(self) -> str:
        """It stands for a client's key, and names a service where the body's model would: our probes have neither."""
        return self._home.forced_color_secret.read_text(encoding="utf-8").strip()

    def say(self, text: str) -> None:
        say(text)

    def _engines(self, color: Color) -> Sequence[str]:
        return self._pools.engines.get(color, ())

    def _unreachable(self, error: RouterUnreachable) -> ShiftFailed:
        return ShiftFailed(
            f"services.{self._service}: got no answer from the router ({error}), need it to know the live weights; look at "
            f"{self._home.log('router')} and run `pulumi up` without --target, which starts it again"
        )
