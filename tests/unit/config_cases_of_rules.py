"""Bad configs whose fields are well-formed and break a rule."""

from __future__ import annotations

from tests.unit.config_cases import ABSENT, Case

GATES = {"warmup": {"prompts": "evals/prompts.jsonl"}, "eval": {"set": "evals/sort.jsonl"}}
CHAT = "services.chat"


def _rule(field: str, value: object, got: str, need: str, because: str, do: str) -> Case:
    return Case({f"{CHAT}.{field}": value}, f"{CHAT}.{field}", got, need, because, do)


RULE_CASES = [
    Case({"target": "kubernetes"}, "target", "kubernetes", "docker or local", "kubernetes is not built yet", "target' local"),
    Case({"docker.subnet": "10.9.0.0/16"}, "docker", "settings for Docker", "target: docker", "ignored", "target' docker"),
    Case({"target": "docker", "docker.subnet": "ten"}, "docker.subnet", "'ten'", "an IPv4 network", "addresses in it",
         "subnet' 10.231.128.0/22"),
    Case({"target": "docker", "docker.subnet": "10.9.0.0/28"}, "docker.subnet", "10.9.0.0/28", "/24 or larger", "100 addresses",
         "10.231.128.0/22"),
    Case({"target": "docker", "docker.subnet": "8.8.0.0/16"}, "docker.subnet", "8.8.0.0/16", "private", "this machine only",
         "10.231.128.0/22"),
    Case({"target": "docker", f"{CHAT}.enginePort": 20_000}, f"{CHAT}.enginePort", "20000", "from 9600 to", "counts from basePort",
         "enginePort' 9620"),
    Case({"target": "ssh"}, "target", "ssh", "local", "ssh is not built yet", "target' local"),
    Case({"router.listen": "localhost"}, "router.listen", "'localhost'", "IPv4", "not to a name", "listen' 127.0.0.1"),
    Case({"router.listen": "::1"}, "router.listen", "'::1'", "IPv4", "binds to an address", "listen' 127.0.0.1"),
    Case({"services.Chat": {"active": "blue", "blue": {"release": "releases/a.yaml"}, "pathPrefix": "/x", "enginePort": 9900,
         "gates": GATES}}, "services", "'Chat'", "a to z", "program names", "call it `chat`"),
    Case({"services.9.lives": {}, "services.9": {"active": "blue", "blue": {"release": "releases/a.yaml"}, "pathPrefix": "/x",
         "enginePort": 9900, "gates": GATES}},
         "services", "'9'", "beginning with a letter", "program names", "call it `chat`"),
    # Colors, weights, steps.
    Case({f"{CHAT}.blue": ABSENT}, f"{CHAT}.blue", "no pool", "for the active color", "active is blue", "set active: green"),
    Case({f"{CHAT}.blue": None}, f"{CHAT}.blue", "no pool", "for the active color", "its traffic needs engines", "add `blue: {release:"),
    Case({f"{CHAT}.green": ABSENT}, f"{CHAT}.canaryWeight", "25", "0 while green has no pool", "25 % of the requests",
         "add `green: {release:"),
    _rule("steps", [25, 1, 100], "[25, 1, 100]", "ascending", "next higher step", "write `steps: [1, 25, 100]`"),
    _rule("steps", [1, 1, 100], "[1, 1, 100]", "each once", "next higher step", "write `steps: [1, 100]`"),
    _rule("steps", [1, 50], "[1, 50]", "100 as the last", "never ends", "write `steps: [1, 50, 100]`"),
    _rule("steps", [0, 100], "[0, 100]", "from 1 to 100", "0 is no percent", "write `steps: [100]`"),
    _rule("steps", [50, 150], "[50, 150]", "from 1 to 100", "150 is no percent", "write `steps: [50, 100]`"),
    # Gates and files.
    Case({f"{CHAT}.gates": ABSENT}, f"{CHAT}.gates.warmup", "nothing", "the warmup gate", "no weight rises", "write `warmup:"),
    Case({f"{CHAT}.canaryWeight": 0, f"{CHAT}.gates.warmup": ABSENT}, f"{CHAT}.gates.warmup", "nothing", "the warmup gate",
         "first deployment",
         "write `warmup:"),
    Case({f"{CHAT}.gates.eval": ABSENT}, f"{CHAT}.gates.eval", "nothing", "the eval gate", "no weight rises", "write `eval:"),
    _rule("gates.warmup.maxRounds", 2, "2", "minRounds (3)", "before it may be called steady", "maxRounds' 3"),
    _rule("blue.release", "/etc/a.yaml", "'/etc/a.yaml'", "inside the project", "begins outside", "release' releases/"),
    _rule("blue.release", "../a.yaml", "'../a.yaml'", "inside the project", "leaves the project", "release' releases/"),
    _rule("blue.release", "releases//a.yaml", "'releases//a.yaml'", "inside the project", "empty part", "release' releases/"),
    _rule("green.release", "releases/b.json", "'releases/b.json'", "a .yaml file", "how the file is read", "green.release' releases/"),
    _rule("gates.eval.set", "evals/sort.csv", "'evals/sort.csv'", "a .jsonl file", "how the file is read", "set' evals/sort.jsonl"),
    _rule("gates.warmup.prompts", "~/p.jsonl", "'~/p.jsonl'", "inside the project", "begins outside", "prompts' evals/prompts.jsonl"),
    # Headers and prefixes.
    _rule("stickyHeader", "x session", "'x session'", "a header's name", "send their session", "stickyHeader' x-session-id"),
    _rule("stickyHeader", "Host", "'Host'", "tells clients apart", "same for everybody", "stickyHeader' x-session-id"),
    _rule("stickyHeader", "x-verdigris-secret", "'x-verdigris-secret'", "tells clients apart", "to Verdigris", "x-session-id"),
    _rule("pathPrefix", "chat", "'chat'", "begin with /", "beginning of a path", "pathPrefix' /chat"),
    _rule("pathPrefix", "/chat/", "'/chat/'", "without a / at the end", "beginning of a path", "pathPrefix' /chat"),
    _rule("pathPrefix", "/a/../b", "'/a/../b'", "begin with /", "beginning of a path", "pathPrefix' /chat"),
    _rule("pathPrefix", "/chat?x=1", "'/chat?x=1'", "begin with /", "beginning of a path", "pathPrefix' /chat"),
    _rule("pathPrefix", "/chat/v1", "'/chat/v1'", "without /v1", "clients add /v1", "pathPrefix' /chat"),
    _rule("pathPrefix", "/", "'/'", "a prefix of its own", "it would take all requests", "pathPrefix' /chat"),
    Case({f"{CHAT}.pathPrefix": "/code"}, "services.code.pathPrefix", "'/code'", "isn't part of chat's", "both services",
         "pathPrefix' /code"),
    Case({"services.code.pathPrefix": "/chat/code"}, "services.code.pathPrefix", "'/chat/code'", "isn't part of chat's ('/chat')",
         "both services", "pathPrefix' /code"),
    # What the router does before it routes.
    Case({"router.routing": "model", "router.kind": "nginx", f"{CHAT}.pathPrefix": "/", "services.code.pathPrefix": "/"}, "router.routing",
         "model", "path with nginx", "nginx doesn't read the bodies", "router.kind' envoy, or run: pulumi config set --path"),
    Case({"router.routing": "model", "services.code.pathPrefix": "/"}, f"{CHAT}.pathPrefix", "'/chat'", "none", "all services have",
         "remove it, or run:"),
    # Ports.
    Case({"services.code.enginePort": ABSENT}, "services.code.enginePort", "nothing", "each of several services", "would move",
         "enginePort' 9720"),
    Case({"services.code.enginePort": 9700}, "services.code.enginePort", "9700", "outside 9620 to 9719", "engines of chat",
         "enginePort' 98"),
    Case({"services.code.enginePort": 9719}, "services.code.enginePort", "9719", "at least 100 away", "engines of chat", "enginePort' "),
    Case({"router.port": ABSENT, "basePort": 9660}, "basePort", "9660", "outside 9620 to 9719 for the router", "engines of chat",
         "move one"),
    _rule("enginePort", 65_500, "65500", "at most 65436", "owns 100 ports", "enginePort' 9620"),
    Case({"router.port": 9650}, "router.port", "9650", "outside 9620 to 9719 for the router", "engines of chat", "move one of them"),
    Case({"router.port": ABSENT, "basePort": 9719}, "basePort", "9719", "outside 9620 to 9719 for the router", "engines of chat",
         "move one"),
    Case({"basePort": 9640}, "basePort", "9641", "for the router's admin interface", "engines of chat", "move one of them"),
    Case({"router.port": 9601}, "router.port", "9601", "a port other than 9601", "admin interface", "router.port' 9600"),
    # GPUs.
    _rule("blue.gpus", [0, 0], "[0, 0]", "each id once", "GPU 0 would be handed out twice", "write `gpus: [0]`"),
    _rule("blue.gpus", [-1, 0], "[-1, 0]", "0 or more", "from 0", "write `gpus: [0, 1]`"),
    _rule("blue.gpus", [0, 2, 3], "3 GPUs for 2 replicas", "a multiple of 2", "the same number of GPUs", "list 4 GPUs"),
    Case({f"{CHAT}.blue.gpuMemoryUtilization": ABSENT}, f"{CHAT}.blue.gpus",
         "GPU 1 shared by chat blue (no gpuMemoryUtilization) and chat green (0.5)",
         "a gpuMemoryUtilization for every pool", "takes 0.92 of the memory by default", "write `gpuMemoryUtilization: 0.45`"),
    Case({f"{CHAT}.green.gpuMemoryUtilization": 0.6}, f"{CHAT}.green.gpuMemoryUtilization",
         "chat blue (0.45) and chat green (0.6) on GPU 1, 1.05 together",
         "at most 1", "more memory than the GPU has", "write `gpuMemoryUtilization: 0.45`"),
    Case({"services.code.green.gpus": [1], "services.code.green.gpuMemoryUtilization": 0.3}, "services.code.green.gpuMemoryUtilization",
         "chat blue (0.45) and chat green (0.5) and code green (0.3) on GPU 1, 1.25 together", "at most 1", "more memory",
         "Utilization: 0.3`"),
]  # fmt: skip
