"""Connections of processes, counted on sockets of this very process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from probes.process_sockets import children_of, count_connections


def test_only_open_connections_to_the_address_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        address, elsewhere = (f"127.0.0.1:{each.getsockname()[1]}" for each in (server, other))
        assert count_connections([os.getpid()], [address]) == 0
        with socket.create_connection(server.getsockname()), socket.create_connection(server.getsockname()):
            assert count_connections([os.getpid()], [address]) == 2
            assert count_connections([os.getpid()], [elsewhere]) == 0
            assert count_connections([os.getpid()], [f"localhost:{server.getsockname()[1]}"]) == 2
            assert count_connections([], [address]) == 0
        assert count_connections([os.getpid()], [address]) == 0


def test_a_host_without_an_address_has_no_connections() -> None:
    assert count_connections([os.getpid()], ["no-such-host.invalid:80"]) == 0


def test_children_are_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children_of(os.getpid())
        child.kill()
