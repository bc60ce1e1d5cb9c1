"""Ports follow from the config alone."""

from __future__ import annotations

from delivery.addresses import admin_port, engine_addresses, engine_port, first_engine_port, router_port
from delivery.color import Color
from delivery.config import parse_config
from tests.unit.config_cases import changed


def test_without_ports_everything_follows_from_the_base_port() -> None:
    gates = {"warmup": {"prompts": "evals/prompts.jsonl"}, "eval": {"set": "evals/sort.jsonl"}}
    chat = {"active": "blue", "blue": {"release": "releases/a.yaml"}, "gates": gates}
    config = parse_config({"target": "local", "basePort": 12_000, "services": {"chat": chat}})
    assert (router_port(config), admin_port(config), first_engine_port(config, config.services["chat"])) == (12_000, 12_001, 12_020)


def test_a_stated_router_port_leaves_the_admin_port_where_it_was() -> None:
    config = parse_config(changed({"router.port": 8080}))
    assert (router_port(config), admin_port(config)) == (8080, 9601)


def test_blue_and_green_have_ports_that_replicas_do_not_move() -> None:
    few, many = parse_config(changed({})), parse_config(changed({"services.chat.blue.replicas": 50, "services.chat.blue.gpus": []}))
    assert engine_addresses(few, few.services["chat"], Color.BLUE) == ("127.0.0.1:9620", "127.0.0.1:9621")
    assert engine_addresses(few, few.services["chat"], Color.GREEN) == ("127.0.0.1:9670",)
    assert engine_addresses(many, many.services["chat"], Color.GREEN) == ("127.0.0.1:9670",)
    assert engine_port(many, many.services["chat"], Color.BLUE, 49) == 9669


def test_the_release_of_a_pool_does_not_move_its_addresses() -> None:
    one, other = parse_config(changed({})), parse_config(changed({"services.chat.blue.release": "releases/z.yaml"}))
    assert engine_addresses(one, one.services["chat"], Color.BLUE) == engine_addresses(other, other.services["chat"], Color.BLUE)
