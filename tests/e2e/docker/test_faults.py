"""What goes wrong with containers: they die, vanish or never start, and Docker itself goes away in the middle of a rollout."""

from __future__ import annotations

import os
import signal
import time

import pytest

from delivery.color import Weights
from scripts.private_docker import PrivateDocker
from scripts.stack_driver import StackDriver
from tests.fakes.docker_stack import ALL_BLUE, all_blue, as_deployed, container, pid_of, release_file
from tests.fakes.live_stack import live, must, refused, set_canary
from tests.fakes.stack_faults import SmallDisk, until
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings

pytestmark = pytest.mark.timeout(600)
HALF = Weights(50, 50)
GREEN = "chat-green-0"


@pytest.fixture
def blue(envoy: tuple[StackDriver, SmallDisk]) -> StackDriver:
    """All on blue, whatever runs on green."""
    return all_blue(envoy[0])


@pytest.fixture
def stack(envoy: tuple[StackDriver, SmallDisk]) -> StackDriver:
    """All on blue, with the usual release on green."""
    return as_deployed(envoy[0])


def plain_load(stack: StackDriver) -> BackgroundLoad:
    """Requests without streams: what a dying engine has sent of a stream nobody can take back."""
    return BackgroundLoad(LoadSettings(url=stack.router.url, model="sorter", rate=15, stream_share=0))


def test_a_container_that_dies_at_half_fails_no_request_and_docker_starts_it_again(stack: StackDriver, engine: PrivateDocker) -> None:
    must(set_canary(stack, 50))
    name = container(stack, GREEN)
    with plain_load(stack) as load:
        load.wait_for(20)
        killed = pid_of(engine, name)
        os.kill(killed, signal.SIGKILL)
        load.wait_for(30, since=time.time())
        until(lambda: pid_of(engine, name) not in (0, killed), "Docker has started it again")
        load.wait_for(30, since=time.time())
        summary = load.stop()
    assert summary.clean, summary.reasons
    assert live(stack) == HALF


def test_an_image_that_does_not_exist_is_named_and_the_weights_stay(blue: StackDriver) -> None:
    stack = blue
    with release_file("no-image", image="verdigris/no-such-image:1") as release:
        stack.service()["green"]["release"] = release
        refused(stack.up(), "verdigris/no-such-image:1", GREEN)
        assert live(stack) == ALL_BLUE


def test_a_health_check_that_never_passes_is_waited_for_only_so_long_and_blocks_only_that_color(blue: StackDriver) -> None:
    stack = blue
    with release_file("never-ready", args="{startup-seconds: 86400}") as release:
        stack.service()["green"]["release"] = release
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = 5
        ran = must(stack.up())
        assert "warning: chat/green: warmup" in ran.output
        stack.service()["canaryWeight"] = 50
        refused(stack.up(), "chat/green: warmup", "Its weight was not raised")
        assert live(stack) == ALL_BLUE
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = 30


def test_an_engine_that_keeps_ending_ends_the_wait_with_its_last_words(blue: StackDriver) -> None:
    with release_file("bad-value", args="{token-ms: never}") as release:
        blue.service()["green"]["release"] = release
        blue.service()["canaryWeight"] = 0
        output = must(blue.up()).output
        assert "chat-green-0 keeps ending" in output, output
        assert "never" in output
        assert live(blue) == ALL_BLUE


def test_a_container_removed_and_weights_edited_by_hand_are_shown_by_refresh_and_repaired(
    stack: StackDriver, engine: PrivateDocker
) -> None:
    engine.command("rm", "--force", container(stack, GREEN))
    stack.router.write_weights("chat", Weights(70, 30))
    until(lambda: live(stack) == Weights(70, 30), "the router has the edited weights")
    shown = must(stack.refresh("--diff")).output
    assert "100 => 70" in shown.replace("[blue]", ""), shown
    assert GREEN in shown
    must(stack.up())
    assert live(stack) == ALL_BLUE
    assert pid_of(engine, container(stack, GREEN)) > 0


def test_without_dockerd_no_request_fails_the_up_says_why_and_the_next_one_finishes(stack: StackDriver, engine: PrivateDocker) -> None:
    for file in (stack.home.path / "receipts").glob("chat-green-*"):
        file.unlink()
    stack.service()["canaryWeight"] = 50
    stack.service()["gates"]["warmup"]["deadlineSeconds"] = 15
    with BackgroundLoad(LoadSettings(url=stack.router.url, model="sorter", rate=15)) as load:
        load.wait_for(20)
        up = stack.start_up()
        lines: list[str] = []
        assert up.stdout is not None
        for line in up.stdout:
            lines.append(line)
            if "chat-green-warmup" in line:
                break
        engine.stop()
        without = time.time()
        output = "".join(lines) + up.communicate()[0]
        assert up.returncode != 0, output
        assert "Traceback" not in output, output
        assert "chat/green" in output
        load.wait_for(30, since=without)
        engine.start()
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = 30
        must(stack.up())
        assert live(stack) == HALF
        load.wait_for(30, since=time.time())
        summary = load.stop()
    assert summary.clean, summary.reasons
