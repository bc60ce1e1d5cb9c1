"""The simulator: an engine that speaks vLLM's HTTP API, and its faults on demand, for development and tests.

It owns nothing of the product and imports nothing of it; it never proves that the product works with a real engine.
"""
