"""The docker target under Pulumi's mocks: what is registered for containers, GPUs and the network. No Docker engine is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.color import Weights
from tests.components.program import ROOT, Graph, config, deployed, run_program

VLLM = "releases/support-qwen2.5-7b.yaml"
GPU_RELEASE = "releases/test-docker-vllm.yaml"


def docker_config(**service: Any) -> dict[str, Any]:
    """The usual stack on the docker target."""
    return config(**service) | {"target": "docker", "docker": {"host": "unix:///tmp/nobody.sock"}}


def vllm_pool(gpus: list[int], utilization: float | None = None, replicas: int = 1) -> dict[str, Any]:
    """A pool of a release that runs vLLM from an image."""
    pool = {"release": VLLM, "gpus": gpus, "replicas": replicas}
    return pool if utilization is None else {**pool, "gpuMemoryUtilization": utilization}


def gpus_of(graph: Graph, engine: str) -> list[str]:
    """The device ids that the container asks for."""
    requests = graph.inputs[engine]["deviceRequests"]
    assert len(requests) == 1
    assert (requests[0]["driver"], requests[0]["capabilities"]) == ("nvidia", ["gpu"])
    return list(requests[0]["deviceIds"])


def words(graph: Graph, engine: str) -> list[str]:
    """Entry point and command."""
    return [*graph.inputs[engine]["entrypoints"], *graph.inputs[engine]["command"]]


def after(flag: str, argv: list[str]) -> str:
    """The value of a flag."""
    return argv[argv.index(flag) + 1]


def environment(graph: Graph, engine: str) -> dict[str, str]:
    """The container's environment."""
    return dict(each.split("=", 1) for each in graph.inputs[engine]["envs"])


def test_an_engine_is_a_container_published_on_loopback_at_an_address_that_follows_from_the_config() -> None:
    graph = run_program(docker_config())
    blue = graph.inputs["chat-blue-0"]
    assert graph.types["chat-blue-0"] == "docker:index/container:Container"
    assert blue["name"] == "verdigris-test-chat-blue-0"
    assert blue["ports"] == [{"internal": 9620, "external": 9620, "ip": "127.0.0.1"}]
    assert blue["networksAdvanced"][0]["ipv4Address"] == "10.231.128.22"
    assert after("--host", words(graph, "chat-blue-0")) == "0.0.0.0"
    topology = json.loads(graph.inputs["router-files"]["topology"])
    assert topology["services"][0]["blue"]["upstreams"] == ["10.231.128.22:9620"]
    assert topology["services"][0]["blue"]["engines"] == ["127.0.0.1:9620"]


def test_containers_have_no_more_rights_than_they_need_and_longer_to_stop_than_to_drain() -> None:
    graph = run_program(docker_config(drain={"deadlineSeconds": 77}))
    for name in ("chat-blue-0", "chat-green-0", "router"):
        inputs = graph.inputs[name]
        assert inputs["capabilities"]["drops"] == ["ALL"]
        assert inputs["securityOpts"] == ["no-new-privileges:true"]
        assert inputs["restart"] == "unless-stopped"
        assert inputs["readOnly"] is True
        assert inputs["logOpts"].keys() == {"max-size", "max-file"}
    assert graph.inputs["chat-blue-0"]["stopTimeout"] > 77
    assert graph.inputs["chat-blue-0"]["destroyGraceSeconds"] > 77
    assert after("--shutdown-timeout", words(graph, "chat-blue-0")) == "77"


def test_nothing_that_changes_with_a_rollout_is_in_a_container() -> None:
    before = run_program(docker_config(), deployed(Weights(100, 0)))
    raised = run_program(docker_config(canaryWeight=25), deployed(Weights(100, 0)))
    other = run_program(docker_config(active="green"), deployed(Weights(0, 100)))
    for name in ("chat-blue-0", "chat-green-0", "network"):
        assert before.inputs[name] == raised.inputs[name] == other.inputs[name]


def test_one_gpu_split_in_two_starts_its_engines_one_after_the_other() -> None:
    graph = run_program(docker_config(blue=vllm_pool([0], 0.45), green=vllm_pool([0], 0.45)))
    for engine in ("chat-blue-0", "chat-green-0"):
        assert gpus_of(graph, engine) == ["0"]
        assert after("--gpu-memory-utilization", words(graph, engine)) == "0.45"
        assert after("--tensor-parallel-size", words(graph, engine)) == "1"
        assert environment(graph, engine)["CUDA_VISIBLE_DEVICES"] == "0"
    assert "chat-blue-0-ready" in graph.direct["chat-green-0"]
    assert graph.inputs["chat-blue-0-ready"]["url"].endswith(":9620/health")
    assert graph.inputs["chat-blue-0-ready"]["required"] is False


def test_gpus_apart_are_handed_out_by_id_and_counted_from_0_inside() -> None:
    graph = run_program(docker_config(blue=vllm_pool([0, 1], replicas=2), green=vllm_pool([2, 3], replicas=2)))
    engines = ["chat-blue-0", "chat-blue-1", "chat-green-0", "chat-green-1"]
    assert [gpus_of(graph, engine) for engine in engines] == [["0"], ["1"], ["2"], ["3"]]
    assert {environment(graph, engine)["CUDA_VISIBLE_DEVICES"] for engine in engines} == {"0"}
    assert environment(graph, "chat-green-1")["NVIDIA_VISIBLE_DEVICES"] == "3"
    assert not [name for name in graph.waits_for("chat-blue-1") if name.endswith("-ready") and name.startswith("chat")]


def test_a_replica_with_two_gpus_is_tensor_parallel_with_room_to_share_memory() -> None:
    graph = run_program(docker_config(blue=vllm_pool([0, 1]), green=vllm_pool([2, 3])))
    assert gpus_of(graph, "chat-green-0") == ["2", "3"]
    assert after("--tensor-parallel-size", words(graph, "chat-green-0")) == "2"
    assert environment(graph, "chat-green-0")["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert graph.inputs["chat-green-0"]["shmSize"] >= 1024


def test_gpus_asked_for_twice_over_are_refused_with_the_sum() -> None:
    with pytest.raises(Exception, match=r"1\.2 together"):
        run_program(docker_config(blue=vllm_pool([0], 0.6), green=vllm_pool([0], 0.6)))


def test_the_hub_s_models_are_kept_in_a_volume_and_a_simulator_needs_none() -> None:
    graph = run_program(docker_config(blue=vllm_pool([0]), green=vllm_pool([1])))
    assert graph.types["hub-cache"] == "docker:index/volume:Volume"
    assert {"type": "volume", "source": "verdigris-test-hub-cache", "target": "/cache"} in graph.inputs["chat-blue-0"]["mounts"]
    assert environment(graph, "chat-blue-0")["HF_HOME"].startswith("/cache")
    assert "hub-cache" not in run_program(docker_config()).types


def test_the_engines_key_is_a_mounted_file_and_in_no_input_of_a_container() -> None:
    graph = run_program(docker_config(), secrets={"apiKey": "engine-key-that-is-secret"})
    blue = graph.inputs["chat-blue-0"]
    assert "engine-key-that-is-secret" not in json.dumps(blue)
    key = next(mount for mount in blue["mounts"] if mount["target"] == "/run/secrets/engine-key")
    assert key["readOnly"] is True
    assert words(graph, "chat-blue-0")[:2] == ["/bin/sh", "-c"]
    assert "engine-key" in graph.waits_for("chat-blue-0")


def test_another_key_is_another_container_and_so_refused_under_traffic() -> None:
    one, other = (run_program(docker_config(), secrets={"apiKey": key}) for key in ("key-one", "key-two"))
    assert environment(one, "chat-blue-0") != environment(other, "chat-blue-0")
    specs = [json.loads(graph.inputs["router-files"]["topology"])["services"][0]["blue"]["spec"] for graph in (one, other)]
    assert specs[0] != specs[1]


@pytest.mark.parametrize("kind", ["envoy", "nginx"])
def test_the_router_is_a_container_in_the_machine_s_network_that_depends_on_no_pool(kind: str) -> None:
    graph = run_program({**docker_config(), "router": {"kind": kind}})
    router = graph.inputs["router"]
    assert (router["networkMode"], router["image"]) == ("host", f"verdigris/{kind}:dev")
    assert router["stopSignal"] == ("SIGQUIT" if kind == "nginx" else "SIGTERM")
    folder = Path(router["mounts"][0]["source"])
    assert router["mounts"] == [{"type": "bind", "source": str(folder), "target": str(folder)}]
    assert not {name for name in graph.waits_for("router-ready") if name.startswith("chat")}
    assert "router-ready" in graph.waits_for("chat-split")


def test_a_release_without_an_image_is_refused_by_its_path() -> None:
    file = ROOT / GPU_RELEASE
    file.write_text("name: no-image\nengine: simulator\nservedModelName: sorter\n")
    try:
        with pytest.raises(Exception, match=r"services\.chat\.green\.release: got .* without `image`"):
            run_program(docker_config(green={"release": GPU_RELEASE}))
    finally:
        file.unlink()
