"""Benches: each figure is a ratio against a peer or a floor measured in the same run. `scripts/bench --help` lists them.

They drive whole stacks of their own with scripts/stack_driver.py and traffic/, and judge what came out.
"""
