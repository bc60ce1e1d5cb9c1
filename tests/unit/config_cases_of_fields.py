"""Bad configs that are wrong in one field: its type, its bounds, its name."""

from __future__ import annotations

from tests.unit.config_cases import ABSENT, Case

CHAT = "services.chat"
SET = "pulumi config set --path 'verdigris:"


def _field(path: str, value: object, got: str, need: str, because: str, do: str = SET) -> Case:
    return Case({path: value}, path, got, need, because, do)


def _unknown(path: str, do: str) -> Case:
    return Case({path: 1}, path, "1", "a known key", "ignored", do)


FIELD_CASES = [
    # The target and the router.
    Case({"target": ABSENT}, "target", "nothing", "a value", "where engines and router run", "verdigris:target' local"),
    _field("target", "loca", '"loca"', "local, docker, kubernetes or ssh", "where engines", "verdigris:target' local"),
    _field("target", 3, "3", "local, docker", "where engines"),
    _field("basePort", "9600", '"9600"', "an integer", "ports", "verdigris:basePort' 9600"),
    _field("basePort", True, "true", "an integer", "ports"),
    _field("basePort", 80, "80", "at least 1024", "below 1024 need root"),
    _field("basePort", 65_500, "65500", "at most", "ports"),
    _field("basePort", 10**40, "1" + "0" * 40, "", "ports"),
    _field("router", "envoy", '"envoy"', "a map", "one router", "write `router: {kind: envoy}`"),
    _field("router.kind", "haproxy", '"haproxy"', "envoy or nginx", "one program"),
    _field("router.port", 0, "0", "at least 1024", "need root"),
    _field("router.port", 9600.0, "9600.0", "an integer", "clients call"),
    _field("router.listen", 127, "127", "text", "one address"),
    _unknown("router.adminPort", "known keys are kind, port, listen"),
    _field("router.routing", "body", '"body"', "path or model", "tells services apart"),
    _field("router.maxRequestBytes", "16m", '"16m"', "an integer", "in memory", "maxRequestBytes' 16777216"),
    _field("router.maxRequestBytes", 10, "10", "at least 1024", "in memory"),
    _field("router.maxRequestBytes", 2**31, "2147483648", "at most 1073741824", "in memory"),
    _field("router.rateLimit", 600, "600", "a map", "each client key", "write `rateLimit: {requestsPerMinute: 600}`"),
    Case({"router.rateLimit": {"requestsPerMinute": 0}}, "router.rateLimit.requestsPerMinute", "0", "at least 1", "each client key", SET),
    Case({"router.tls": {"certificate": "a.crt"}}, "router.tls.key", "nothing", "a value", "the certificate's key",
         "tls.key' tls/server.key"),
    _field("router.tls", "a.pem", '"a.pem"', "a map", "the two files", "write `tls: {certificate:"),
    _unknown("routers", "write `router`"),
    _unknown("base_port", "write `basePort`"),
    # Services.
    Case({"services": ABSENT}, "services", "nothing", "a value", "at least one endpoint", "write `services:"),
    _field("services", {}, "{}", "at least 1", "at least one endpoint", "write `services:"),
    _field("services", ["chat"], '["chat"]', "a map", "at least one endpoint", "write `services:"),
    _field(CHAT, "blue", '"blue"', "a map", "a service is a map", "write `chat:"),
    _field(CHAT, None, "nothing", "a map", "a service is a map", "write `chat:"),
    Case({f"{CHAT}.active": ABSENT}, f"{CHAT}.active", "nothing", "a value", "names the color", "services.chat.active' blue"),
    _field(f"{CHAT}.active", "Blue", '"Blue"', "blue or green", "names the color", "active' blue"),
    _field(f"{CHAT}.active", "red", '"red"', "blue or green", "names the color"),
    _field(f"{CHAT}.canaryWeight", "25", '"25"', "an integer", "percent of new requests", "services.chat.canaryWeight' 25"),
    _field(f"{CHAT}.canaryWeight", 25.0, "25.0", "an integer", "percent of new requests"),
    _field(f"{CHAT}.canaryWeight", True, "true", "an integer", "percent of new requests"),
    _field(f"{CHAT}.canaryWeight", -1, "-1", "at least 0", "percent of new requests"),
    _field(f"{CHAT}.canaryWeight", 101, "101", "at most 100", "percent of new requests"),
    _field(f"{CHAT}.steps", 25, "25", "a list", "one step up", "write `steps: [1, 25, 75, 100]`"),
    _field(f"{CHAT}.steps", [], "[]", "at least 1", "one step up", "write `steps:"),
    Case({f"{CHAT}.steps": [1, "25", 100]}, f"{CHAT}.steps[1]", '"25"', "an integer", "one step up", "write `steps:"),
    _field(f"{CHAT}.enginePort", 443, "443", "at least 1024", "need root", "enginePort' 9620"),
    _field(f"{CHAT}.enginePort", 70_000, "70000", "at most 65535", "100 ports"),
    _field(f"{CHAT}.pathPrefix", 1, "1", "text", "beginning of the path", "pathPrefix' /chat"),
    _field(f"{CHAT}.stickyHeader", ["x"], '["x"]', "text", "kept on one color"),
    _unknown(f"{CHAT}.canaryWieght", "write `canaryWeight`"),
    _unknown(f"{CHAT}.canary_weight", "write `canaryWeight`"),
    _unknown(f"{CHAT}.purple", "known keys are active"),
    # Pools.
    _field(f"{CHAT}.blue", "releases/a.yaml", '"releases/a.yaml"', "a map", "a release", "write `blue: {release:"),
    Case({f"{CHAT}.blue.release": ABSENT}, f"{CHAT}.blue.release", "nothing", "a value", "one release file", "blue.release' releases/"),
    _field(f"{CHAT}.blue.release", "", '""', "not empty", "one release file"),
    _field(f"{CHAT}.blue.replicas", 0, "0", "at least 1", "50 ports"),
    _field(f"{CHAT}.blue.replicas", 51, "51", "at most 50", "50 ports"),
    _field(f"{CHAT}.blue.gpus", 0, "0", "a list", "device ids", "write `gpus: [0, 1]`"),
    Case({f"{CHAT}.blue.gpus": ["GPU-5c1"]}, f"{CHAT}.blue.gpus[0]", '"GPU-5c1"', "an integer", "device ids", "write `gpus:"),
    _field(f"{CHAT}.blue.gpuMemoryUtilization", 0, "0", "more than 0", "fraction", "write `gpuMemoryUtilization: 0.45`"),
    _field(f"{CHAT}.blue.gpuMemoryUtilization", 90, "90", "at most 1", "fraction", "write `gpuMemoryUtilization: 0.45`"),
    _field(f"{CHAT}.blue.gpuMemoryUtilization", "0.9", '"0.9"', "a number", "fraction", "write `gpuMemoryUtilization: 0.45`"),
    _field(f"{CHAT}.blue.gpuMemoryUtilization", float("nan"), "NaN", "a finite number", "fraction", "write"),
    _field(f"{CHAT}.green.standby", "sleeping", '"sleeping"', "warm, asleep or off", "at weight 0", "standby' warm"),
    _unknown(f"{CHAT}.blue.replica", "write `replicas`"),
    _unknown(f"{CHAT}.blue.tensorParallelSize", "known keys are release"),
    # Gates, drain, proof.
    _field(f"{CHAT}.gates", [], "[]", "a map", "measure a release", "write `gates:"),
    _unknown(f"{CHAT}.gates.evaluation", "write `eval`"),
    Case({f"{CHAT}.gates.warmup.prompts": ABSENT}, f"{CHAT}.gates.warmup.prompts", "nothing", "a value", "like production",
         "prompts' evals/"),
    Case({f"{CHAT}.gates.eval.set": ABSENT}, f"{CHAT}.gates.eval.set", "nothing", "a value", "one JSONL file", "set' evals/sort.jsonl"),
    _field(f"{CHAT}.gates.warmup.deadlineSeconds", "10m", '"10m"', "a number", "nothing may wait for ever"),
    _field(f"{CHAT}.gates.warmup.minRounds", 1, "1", "at least 2", "compares rounds"),
    _field(f"{CHAT}.gates.warmup.steadyRatio", 1, "1", "more than 1", "time to first token", "write `steadyRatio: 1.3`"),
    _field(f"{CHAT}.gates.eval.marginPercent", 0, "0", "more than 0", "loss of points"),
    _field(f"{CHAT}.gates.eval.confidencePercent", 100, "100", "less than 100", "how sure"),
    _field(f"{CHAT}.gates.eval.minimumScorePercent", 180, "180", "at most 100", "floor"),
    _field(f"{CHAT}.gates.eval.concurrency", 0, "0", "at least 1", "in flight"),
    _field(f"{CHAT}.gates.eval.grader", "judge", '"judge"', "a map", "grades answers", "write `grader:"),
    Case({f"{CHAT}.gates.eval.grader": {"url": "http://127.0.0.1:9700/v1"}}, f"{CHAT}.gates.eval.grader.model", "nothing", "a value",
         "asked for by that name", "grader.model' judge"),
    Case({f"{CHAT}.gates.eval.grader": {"url": "localhost:9700", "model": "judge"}}, f"{CHAT}.gates.eval.grader.url", '"localhost:9700"',
         "http:// or https://", "up to and with /v1", "http://127.0.0.1:9700/v1"),
    _field(f"{CHAT}.drain.deadlineSeconds", 0, "0", "at least 1", "wait for ever"),
    _unknown(f"{CHAT}.drain.deadline", "write `deadlineSeconds`"),
    _field(f"{CHAT}.proof.probes", 5, "5", "at least 20", "one split from another"),
]  # fmt: skip
