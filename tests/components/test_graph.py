"""The real `__main__.py` under Pulumi's mocks: which resources there are, what waits for what, and who gets which GPU."""

from __future__ import annotations

import pytest

from delivery.color import Color, Weights
from tests.components.program import Graph, config, deployed, run_program

GREEN_CHAIN = ["chat-green-drain", "chat-green-0", "chat-green-warmup", "chat-green-eval"]
BLUE_CHAIN = ["chat-blue-drain", "chat-blue-0", "chat-blue-warmup", "chat-blue-eval"]


def assert_in_order(graph: Graph, *names: str) -> None:
    """Each waits for all that stand before it."""
    for index, name in enumerate(names):
        assert set(names[:index]) <= graph.waits_for(name), f"{name} waits for {sorted(graph.waits_for(name))}"


def test_the_resources_of_a_stack_are_named_after_service_color_and_part() -> None:
    graph = run_program(config())
    assert set(graph.types) == {
        "supervisor", "forced-color", "router-files", "router", "chat", "chat-split", "chat-blue", "chat-green", *BLUE_CHAIN, *GREEN_CHAIN,
    }  # fmt: skip
    assert graph.types["chat-split"].endswith(":dynamic/verdigris:TrafficSplit")


def test_a_first_deployment_measures_the_active_color_before_the_split_and_the_other_one_after_it() -> None:
    graph = run_program(config())
    assert_in_order(graph, *BLUE_CHAIN, "chat-split", *GREEN_CHAIN)
    assert [graph.inputs[name]["mode"] for name in ("chat-blue-eval", "chat-green-eval")] == ["required", "advisory"]


def test_a_raise_waits_for_everything_of_the_color_that_rises() -> None:
    graph = run_program(config(canaryWeight=25), deployed(Weights(100, 0)))
    assert_in_order(graph, *GREEN_CHAIN, "chat-split")
    assert graph.inputs["chat-green-warmup"]["mode"] == "required"
    assert graph.inputs["chat-green-eval"]["baseline_release"] == graph.inputs["chat-blue-warmup"]["release"]


def test_a_rollback_waits_for_nothing_of_the_color_that_it_leaves() -> None:
    graph = run_program(config(canaryWeight=0), deployed(Weights(75, 25)))
    assert not {name for name in graph.waits_for("chat-split") if "green" in name}
    assert_in_order(graph, "chat-split", *GREEN_CHAIN)
    assert [graph.inputs[name]["mode"] for name in ("chat-green-warmup", "chat-green-eval")] == ["idle", "idle"]


@pytest.mark.parametrize("active", list(Color))
def test_both_directions_are_the_same_for_both_colors(active: Color) -> None:
    graph = run_program(config(active=active.value, steps=[100]), deployed(Weights.of_canary(active, 50)))
    assert not {name for name in graph.waits_for("chat-split") if active.other.value in name}
    assert f"chat-{active}-eval" in graph.waits_for("chat-split")


def test_the_router_waits_for_nothing_of_a_pool_and_no_pool_s_address_is_an_output() -> None:
    graph = run_program(config(canaryWeight=25), deployed(Weights(100, 0)))
    assert graph.waits_for("router") == {"supervisor", "forced-color", "router-files"}
    assert "127.0.0.1:9670" in graph.inputs["router-files"]["topology"]


def test_nothing_of_a_service_waits_for_another() -> None:
    code = config()["services"]["chat"] | {"pathPrefix": "/code", "enginePort": 9800}  # type: ignore[index]
    both = config(pathPrefix="/chat", enginePort=9620)
    both["services"]["code"] = code  # type: ignore[index]
    graph = run_program(both)
    for name in graph.types:
        for other in ("chat", "code"):
            if not name.startswith(other):
                assert not [one for one in graph.waits_for(name) if name.startswith(("chat", "code")) and one.startswith(other)]


def test_a_standby_that_sleeps_does_so_after_its_gates_and_one_that_carries_traffic_never() -> None:
    green = {"release": "releases/sort-good-2.yaml", "standby": "asleep"}
    graph = run_program(config(green=green))
    assert_in_order(graph, "chat-split", *GREEN_CHAIN, "chat-green-asleep")
    assert "chat-green-asleep" not in run_program(config(green=green, canaryWeight=25), deployed(Weights(100, 0))).types


def test_a_standby_that_is_off_has_no_engine_and_nothing_that_measures_it() -> None:
    green = {"release": "releases/sort-good-2.yaml", "standby": "off"}
    graph = run_program(config(green=green))
    assert {name for name in graph.types if "green" in name} == {"chat-green", "chat-green-drain"}
    raised = run_program(config(green=green, canaryWeight=25), deployed(Weights(100, 0)))
    assert_in_order(raised, *GREEN_CHAIN, "chat-split")


VLLM = "releases/support-qwen2.5-7b.yaml"
OTHER_VLLM = "releases/support-qwen2.5-7b-prompted.yaml"


def gpu_config(blue: dict[str, object], green: dict[str, object]) -> dict[str, object]:
    """A service of real engines with these pools."""
    return config(blue={"release": VLLM, **blue}, green={"release": OTHER_VLLM, **green})


def visible(graph: Graph, name: str) -> str:
    """The GPUs that an engine sees."""
    return str(graph.inputs[name]["environment"]["CUDA_VISIBLE_DEVICES"])


def flag(graph: Graph, name: str, which: str) -> str:
    """The value of a flag of an engine."""
    command = graph.inputs[name]["command"]
    return str(command[command.index(f"--{which}") + 1])


def test_two_colors_that_split_one_gpu_start_one_after_the_other_and_blue_is_not_stopped() -> None:
    half = {"gpus": [0], "gpuMemoryUtilization": 0.45}
    graph = run_program(gpu_config(half, half))
    assert (visible(graph, "chat-blue-0"), visible(graph, "chat-green-0")) == ("0", "0")
    assert flag(graph, "chat-green-0", "gpu-memory-utilization") == "0.45"
    assert "chat-blue-0" in graph.direct["chat-green-0"]
    assert graph.inputs["chat-blue-0"]["url_ready"] == "http://127.0.0.1:9620/health"


def test_two_services_on_one_gpu_start_one_after_the_other() -> None:
    def pool(release: str) -> dict[str, object]:
        return {"release": release, "gpus": [0], "gpuMemoryUtilization": 0.4}

    both = config(pathPrefix="/chat", enginePort=9620, blue=pool(VLLM), green=None)
    other = config(pathPrefix="/code", enginePort=9800, blue=pool(VLLM), green=None)
    both["services"]["code"] = other["services"]["chat"]  # type: ignore[index]
    graph = run_program(both)
    assert "chat-blue-0" in graph.direct["code-blue-0"]


def test_colors_on_gpus_of_their_own_start_side_by_side() -> None:
    graph = run_program(gpu_config({"gpus": [0, 1], "replicas": 2}, {"gpus": [2, 3], "replicas": 2}))
    assert [visible(graph, f"chat-{color}-{replica}") for color in Color for replica in (0, 1)] == ["0", "1", "2", "3"]
    for color in Color:
        assert f"chat-{color}-0" not in graph.direct[f"chat-{color}-1"]
        assert not {f"chat-{color.other}-0", f"chat-{color.other}-1"} & graph.direct[f"chat-{color}-0"]


def test_a_replica_with_two_gpus_is_one_engine_with_tensor_parallelism() -> None:
    graph = run_program(gpu_config({"gpus": [0, 1]}, {"gpus": [2, 3]}))
    assert (visible(graph, "chat-blue-0"), visible(graph, "chat-green-0")) == ("0,1", "2,3")
    assert flag(graph, "chat-blue-0", "tensor-parallel-size") == "2"
    assert "chat-blue-1" not in graph.types
