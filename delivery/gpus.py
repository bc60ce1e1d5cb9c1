"""Which engine may take how much of which GPU, and whether that fits. From the config alone; what hardware there is, is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from delivery.color import Color
from delivery.config_advice import how_to_set
from delivery.config_models import PoolConfig, StackConfig
from delivery.refusal import Refusal

VLLM_DEFAULT_UTILIZATION = 0.92
"""The fraction of a GPU's memory that vLLM takes unless told otherwise (CacheConfig of vLLM 0.32)."""

ROUNDING = 1e-9
"""0.1 + 0.2 + 0.7 is a hair over 1 in floating point."""


@dataclass(frozen=True)
class GpuShare:
    """What one color of one service takes of one GPU; `fraction` is None where the config doesn't say."""

    service: str
    color: Color
    fraction: float | None

    @property
    def owner(self) -> str:
        """For people: `chat green`."""
        return f"{self.service} {self.color}"

    @property
    def path(self) -> str:
        """The config path of the pool."""
        return f"services.{self.service}.{self.color}"

    @property
    def stated(self) -> str:
        """The fraction as text."""
        return "no gpuMemoryUtilization" if self.fraction is None else f"{self.fraction:g}"


def gpu_shares(config: StackConfig) -> dict[int, tuple[GpuShare, ...]]:
    """Every GPU of the config, ascending, with the pools that use it, in the order of the config, blue before green."""
    shares: dict[int, list[GpuShare]] = {}
    for name, service in config.services.items():
        for color, pool in service.pools.items():
            for gpu in dict.fromkeys(pool.gpus):
                shares.setdefault(gpu, []).append(GpuShare(name, color, pool.gpu_memory_utilization))
    return {gpu: tuple(shares[gpu]) for gpu in sorted(shares)}


def gpu_uses(config: StackConfig, running: frozenset[tuple[str, Color]] | None = None) -> dict[int, list[tuple[str, float]]]:
    """For each GPU, who uses which fraction of it. With `running` (service and color), only those pools."""
    return {
        gpu: [
            (share.owner, VLLM_DEFAULT_UTILIZATION if share.fraction is None else share.fraction)
            for share in shares
            if running is None or (share.service, share.color) in running
        ]
        for gpu, shares in gpu_shares(config).items()
    }


def gpu_refusals(config: StackConfig) -> list[Refusal]:
    """Everything about GPUs that can't work. All pools of the config count as running: a standby has to run to be measured."""
    return [*_pool_refusals(config), *_sharing_refusals(config)]


def _pool_refusals(config: StackConfig) -> Iterator[Refusal]:
    for name, service in config.services.items():
        for color, pool in service.pools.items():
            yield from _pool_rules(f"services.{name}.{color}.gpus", pool)


def _pool_rules(path: str, pool: PoolConfig) -> Iterator[Refusal]:
    gpus = list(pool.gpus)
    if any(gpu < 0 for gpu in gpus):
        yield Refusal(
            path, gpus, "ids of 0 or more", "`nvidia-smi -L` counts the GPUs of a machine from 0", how_to_set(path, list(range(len(gpus))))
        )
    repeated = sorted({gpu for gpu in gpus if gpus.count(gpu) > 1})
    if repeated:
        yield Refusal(
            path,
            gpus,
            "each id once",
            f"GPU {repeated[0]} would be handed out twice within the pool",
            how_to_set(path, list(dict.fromkeys(gpus))),
        )
    if len(gpus) % pool.replicas:
        yield Refusal(
            path,
            f"{len(gpus)} GPUs for {pool.replicas} replicas",
            f"a multiple of {pool.replicas}",
            "every replica gets the same number of GPUs, and two engines of one pool don't share one",
            f"list {-(-len(gpus) // pool.replicas) * pool.replicas} GPUs or change `replicas`",
        )


def _sharing_refusals(config: StackConfig) -> Iterator[Refusal]:
    reported: set[tuple[GpuShare, ...]] = set()
    for gpu, shares in gpu_shares(config).items():
        # Pools that share several GPUs share the same mistake on each: once is enough.
        if len(shares) < 2 or shares in reported:
            continue
        reported.add(shares)
        yield from _sharing_rule(gpu, shares)


def _sharing_rule(gpu: int, shares: tuple[GpuShare, ...]) -> Iterator[Refusal]:
    each = f"{int(90 / len(shares)) / 100:g}"
    owners = " and ".join(f"{share.owner} ({share.stated})" for share in shares)
    silent = next((share for share in shares if share.fraction is None), None)
    if silent is not None:
        yield Refusal(
            f"{silent.path}.gpus",
            f"GPU {gpu} shared by {owners}",
            "a gpuMemoryUtilization for every pool on a shared GPU",
            f"an engine takes {VLLM_DEFAULT_UTILIZATION:g} of the memory by default and the next one can't start",
            f"give the pools GPUs of their own, or write `gpuMemoryUtilization: {each}` for each of them",
        )
        return
    total = sum(share.fraction or 0 for share in shares)
    if total > 1 + ROUNDING:
        last = shares[-1]
        yield Refusal(
            f"{last.path}.gpuMemoryUtilization",
            f"{owners} on GPU {gpu}, {total:.4g} together",
            "at most 1 on each GPU",
            "the engines ask for more memory than the GPU has, and the last one to start fails",
            f"write `gpuMemoryUtilization: {each}` for each of them, or move one to another GPU",
        )
