"""Why each field of config and release is as it is, and a value that works: the reason and the advice of a refusal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldNote:
    """`because` completes "need … because"; `example` is a value as it would stand in YAML."""

    because: str
    example: str


CONFIG_NOTES = {
    "target": FieldNote("it decides where engines and router run", "local"),
    "basePort": FieldNote("router and engines get their ports from it, and ports below 1024 need root", "9600"),
    "router": FieldNote("a stack has one router, described by a map", "{kind: envoy}"),
    "kind": FieldNote("the router's files are written for one program", "envoy"),
    "port": FieldNote("clients call the router there, and ports below 1024 need root", "9600"),
    "listen": FieldNote("the router binds to one address of this machine", "127.0.0.1"),
    "routing": FieldNote("it says how the router tells services apart", "path"),
    "maxRequestBytes": FieldNote("the router holds a request's body in memory up to that size", "16777216"),
    "rateLimit": FieldNote("the limit of each client key is a map", "{requestsPerMinute: 600}"),
    "requestsPerMinute": FieldNote("it is what each client key may send in a minute", "600"),
    "tls": FieldNote("TLS needs the two files of a certificate", "{certificate: tls/server.crt, key: tls/server.key}"),
    "certificate": FieldNote("it names a PEM file with the certificate and its chain", "tls/server.crt"),
    "key": FieldNote("it names a PEM file with the certificate's key", "tls/server.key"),
    "docker": FieldNote("the docker target is described by a map", "{host: unix:///var/run/docker.sock}"),
    "host": FieldNote("it is the address of the Docker engine", "unix:///var/run/docker.sock"),
    "subnet": FieldNote("the engines of the stack get addresses in that network", "10.231.128.0/22"),
    "routerImage": FieldNote("the router's container is made from it", "verdigris/envoy:dev"),
    "services": FieldNote("a stack serves at least one endpoint, each described by a map", "{chat: {active: blue, blue: {…}}}"),
    "service": FieldNote("a service is a map with at least its active color and that color's pool", "{active: blue, blue: {release: …}}"),
    "active": FieldNote("it names the color that carries what the canary doesn't", "blue"),
    "canaryWeight": FieldNote("it is the percent of new requests that go to the color that is not active", "25"),
    "steps": FieldNote("a raise goes one step up at a time, and the last step takes all traffic", "[1, 25, 75, 100]"),
    "enginePort": FieldNote("a service owns 100 ports from there, and ports below 1024 need root", "9620"),
    "pathPrefix": FieldNote("the router finds the service by the beginning of the path", "/chat"),
    "stickyHeader": FieldNote("a client is kept on one color by the value of that request header", "x-session-id"),
    "blue": FieldNote("a pool is described by a map with at least a release", "{release: releases/sort-good-1.yaml}"),
    "green": FieldNote("a pool is described by a map with at least a release", "{release: releases/sort-good-2.yaml}"),
    "release": FieldNote("a pool runs exactly one release file of the project", "releases/sort-good-1.yaml"),
    "replicas": FieldNote("each color owns 50 ports, one an engine", "1"),
    "gpus": FieldNote("it lists the device ids that the pool's engines may use", "[0, 1]"),
    "gpuMemoryUtilization": FieldNote("it is the fraction of each GPU's memory that one engine takes", "0.45"),
    "standby": FieldNote("it says what the pool does at weight 0", "warm"),
    "gates": FieldNote("the gates measure a release before it gets traffic", "{warmup: {prompts: evals/prompts.jsonl}}"),
    "warmup": FieldNote("the warm-up is described by a map with at least its prompts", "{prompts: evals/prompts.jsonl}"),
    "eval": FieldNote("the evaluation is described by a map with at least its set", "{set: evals/sort.jsonl}"),
    "prompts": FieldNote("the warm-up replays prompts shaped like production", "evals/prompts.jsonl"),
    "set": FieldNote("the evaluation asks the items of one JSONL file", "evals/sort.jsonl"),
    "deadlineSeconds": FieldNote("nothing may wait for ever, and Verdigris gives up after this many seconds", "120"),
    "minRounds": FieldNote("steadiness compares rounds, so one round is never enough", "3"),
    "maxRounds": FieldNote("the warm-up ends as inconclusive after this many rounds", "20"),
    "steadyRatio": FieldNote("it compares the last rounds' time to first token with the best round's", "1.3"),
    "marginPercent": FieldNote("it is the loss of points against the active release that is still acceptable", "5"),
    "confidencePercent": FieldNote("it is how sure the comparison with the active release has to be", "95"),
    "minimumScorePercent": FieldNote("it is the floor of the candidate's score, whatever the active release scores", "80"),
    "concurrency": FieldNote("it bounds the requests in flight on both pools together", "16"),
    "grader": FieldNote("a model that grades answers is described by a map", "{url: 'http://127.0.0.1:9700/v1', model: judge}"),
    "url": FieldNote("the grading model is asked there, up to and with /v1", "http://127.0.0.1:9700/v1"),
    "model": FieldNote("the grading model is asked for by that name", "judge"),
    "maxTokens": FieldNote("a reply without room for PASS or FAIL grades nothing", "512"),
    "drain": FieldNote("it describes how long a pool may take to empty", "{deadlineSeconds: 120}"),
    "proof": FieldNote("it describes how a new split is proven", "{probes: 200}"),
    "probes": FieldNote("fewer probes can't tell one split from another, and more take too long", "200"),
}

RELEASE_NOTES = {
    "name": FieldNote("people and logs call the release by it", "support-2026-11-20"),
    "engine": FieldNote("it decides which inference server is started", "vllm"),
    "model": FieldNote("the engine loads it", "Qwen/Qwen2.5-7B-Instruct"),
    "revision": FieldNote("it pins the model to one commit", "a09a35458c702b33eeacc393d103063234e8bc28"),
    "servedModelName": FieldNote("clients send it as `model`", "support"),
    "args": FieldNote("it maps engine flags, without dashes, to text, numbers, booleans or lists of them", "{max-model-len: 8192}"),
    "env": FieldNote("it maps environment variables to text", '{VLLM_LOGGING_LEVEL: "WARNING"}'),
    "chatTemplate": FieldNote("it names a Jinja file of the project", "releases/support.jinja"),
    "prompts": FieldNote("it names a file of the project", "releases/support-prompts.yaml"),
    "image": FieldNote("it names a container image", "vllm/vllm-openai:v0.11.0"),
}
