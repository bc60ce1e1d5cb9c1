"""Open-loop load against an endpoint that speaks OpenAI's API, for the demo, the benchmarks and the tests.

Open loop: requests leave at their planned moments whether or not earlier ones were answered, so that a stall shows as latency and
failures and not as fewer requests. It imports nothing else of this repository and knows of colors only what the response headers say.
"""
