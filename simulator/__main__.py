"""`python -m simulator`: one simulated engine."""

from __future__ import annotations

import os
import sys

from simulator.options import parse_options

if __name__ == "__main__":
    options = parse_options(sys.argv[1:], os.environ)
    # After the options: a bad flag is answered without waiting for the server's imports.
    from simulator.server import serve

    sys.exit(serve(options))
