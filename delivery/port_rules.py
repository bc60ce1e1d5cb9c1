"""The rules about ports of a config: everything on one machine has a port of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from delivery.addresses import ENGINE_PORTS, FIRST_ENGINE_OFFSET, admin_port, first_engine_port, router_port
from delivery.config_advice import how_to_set
from delivery.config_models import HIGHEST_PORT, LOWEST_PORT, StackConfig
from delivery.refusal import Refusal


def port_refusals(config: StackConfig) -> list[Refusal]:
    """Every two things that would listen on one port, and engines past the last port."""
    if len(config.services) > 1 and any(service.engine_port is None for service in config.services.values()):
        return list(_unnamed(config))
    return [*_router(config), *_past_the_end(config), *_overlaps(config)]


def _unnamed(config: StackConfig) -> Iterator[Refusal]:
    free = _free_starts(config)
    for name, service in config.services.items():
        if service.engine_port is None:
            path = f"services.{name}.enginePort"
            yield Refusal(
                path,
                "nothing",
                "a first engine port for each of several services",
                "ports that followed from the order of services would move when one is added",
                how_to_set(path, next(free)),
            )


def _router(config: StackConfig) -> Iterator[Refusal]:
    router, admin = router_port(config), admin_port(config)
    router_path = "basePort" if config.router.port is None else "router.port"
    if router == admin:
        because = "the router's admin interface has basePort + 1"
        yield Refusal(router_path, router, f"a port other than {admin}", because, how_to_set(router_path, config.base_port))
    reported: set[str] = set()
    for name, service in config.services.items():
        first = first_engine_port(config, service)
        for what, port, path in (("router", router, router_path), ("router's admin interface", admin, "basePort")):
            if first <= port < first + ENGINE_PORTS and path not in reported:
                reported.add(path)
                yield Refusal(
                    path,
                    port,
                    f"a port outside {_range(first)} for the {what}",
                    f"those belong to the engines of {name}",
                    f"move one of them; for the engines {how_to_set(f'services.{name}.enginePort', next(_free_starts(config)))}",
                )


def _past_the_end(config: StackConfig) -> Iterator[Refusal]:
    for name, service in config.services.items():
        first = first_engine_port(config, service)
        if first + ENGINE_PORTS - 1 > HIGHEST_PORT:
            path = f"services.{name}.enginePort"
            yield Refusal(
                path,
                first,
                f"at most {HIGHEST_PORT - ENGINE_PORTS + 1}",
                f"a service owns {ENGINE_PORTS} ports and the last is {HIGHEST_PORT}",
                how_to_set(path, next(_free_starts(config))),
            )


def _overlaps(config: StackConfig) -> Iterator[Refusal]:
    firsts = {name: first_engine_port(config, service) for name, service in config.services.items()}
    for one, other in combinations(firsts, 2):
        if abs(firsts[one] - firsts[other]) < ENGINE_PORTS:
            path = f"services.{other}.enginePort"
            yield Refusal(
                path,
                firsts[other],
                f"a port outside {_range(firsts[one])} and at least {ENGINE_PORTS} away",
                f"those belong to the engines of {one}",
                how_to_set(path, next(_free_starts(config))),
            )


def _free_starts(config: StackConfig) -> Iterator[int]:
    """First engine ports that collide with nothing in the config: what a refusal can advise."""
    engines = [service.engine_port for service in config.services.values() if service.engine_port is not None]
    routers = (router_port(config), admin_port(config))
    begin = config.base_port + FIRST_ENGINE_OFFSET
    for start in (*range(begin, HIGHEST_PORT - ENGINE_PORTS, ENGINE_PORTS), *range(LOWEST_PORT, begin - ENGINE_PORTS, ENGINE_PORTS)):
        free_of_engines = all(abs(start - taken) >= ENGINE_PORTS for taken in engines)
        if free_of_engines and not any(start <= port < start + ENGINE_PORTS for port in routers):
            yield start


def _range(first: int) -> str:
    return f"{first} to {first + ENGINE_PORTS - 1}"
