"""The steps of README.md with toxiproxy-python."""

import json
import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import ProxyExists

KINDS = ("latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data")


def say(step, seen):
    print(json.dumps({"step": step, "seen": seen}))


def ask(proxy):
    """Milliseconds until the echo; None when refused."""
    host, _, port = proxy.listen.rpartition(":")
    began = time.monotonic()
    try:
        with socket.create_connection((host, int(port)), timeout=5) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    except ConnectionRefusedError:
        return None
    return (time.monotonic() - began) * 1000


def main(host, port, behind):
    api = Toxiproxy()
    api.update_api_consumer(host, int(port))
    say("version", json.loads(api.version()))
    proxy = api.create(f"127.0.0.1:{behind}", "mine")
    say("created", [proxy.name, proxy.enabled])
    say("asked", ask(proxy) is not None)
    proxy.add_toxic(name="slow", type="latency", attributes={"latency": 150})
    slow = proxy.get_toxic("slow")
    say("slow", [slow.type, slow.stream, slow.toxicity, slow.attributes])
    say("slowed", ask(proxy) >= 150)
    proxy.destroy_toxic("slow")
    for kind in KINDS:
        proxy.add_toxic(type=kind, stream="upstream", toxicity=0.0)
    say("every toxic", sorted(proxy.toxics()))
    proxy.disable()
    say("disabled", [api.get_proxy("mine").enabled, ask(proxy)])
    proxy.enable()
    try:
        api.create(f"127.0.0.1:{behind}", "mine")
    except ProxyExists as error:
        say("again", str(error))
    others = [{"name": name, "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"} for name in "ab"]
    say("populated", [each.name for each in api.populate(others)])
    say("reset", [api.reset(), proxy.toxics(), ask(proxy) is not None])
    api.destroy_all()
    say("deleted", list(api.proxies()))


if __name__ == "__main__":
    main(*sys.argv[1:])
