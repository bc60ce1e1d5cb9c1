"""Keeps an engine of a bench from starting, while `<home>/<program>.cannot-start` says so: `exit` at once, or `hang` before it listens.

Python imports a module of this name at its start; the engines of the benches have this folder on their PYTHONPATH.
"""

import os
import time


def _sabotage() -> None:
    home, _, program = os.environ.get("VERDIGRIS_PROGRAM", "").rpartition(":")
    file = os.path.join(home, f"{program}.cannot-start")
    if not program or not os.path.exists(file):
        return
    with open(file) as opened:
        how = opened.read()
    if how == "exit":
        os._exit(1)
    while os.path.exists(file):
        time.sleep(0.1)
    os._exit(1)


_sabotage()
