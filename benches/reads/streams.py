"""What open streams of events take in memory: before, open and quiet, and after one write has woken them all."""

import selectors
import socket
import time


# Streams that a grant may have open.
OF_A_GRANT = 8
GOAL_MIB = 50


class Streams:
    """Readers of `GET /v1/events`, who do nothing but listen."""

    def __init__(self, server, count):
        self.server, self.selector = server, selectors.DefaultSelector()
        self.heard = {}
        tokens = [server.grant("activities:read") for _ in range(-(-count // OF_A_GRANT))]
        after = server.client().get("/v1/activities?limit=1")["events_after"]
        for number in range(count):
            self.open(tokens[number // OF_A_GRANT], after)

    def open(self, token, after):
        plug = socket.create_connection(("127.0.0.1", self.server.port))
        head = f"GET /v1/events?after={after} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        plug.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
        self.heard[plug] = b""
        self.selector.register(plug, selectors.EVENT_READ)

    def listen(self, word, seconds=120):
        """Until every stream has said this word; answers how long that took."""
        begun = time.monotonic()
        while any(word not in heard for heard in self.heard.values()):
            if time.monotonic() - begun > seconds:
                missing = sum(word not in heard for heard in self.heard.values())
                raise RuntimeError(f"{missing} streams never said {word.decode()}")
            for key, _ in self.selector.select(1):
                self.hear(key.fileobj)
        return time.monotonic() - begun

    def hear(self, plug):
        said = plug.recv(65_536)
        if not said:
            raise RuntimeError(f"a stream ended: {self.heard[plug][:300]}")
        self.heard[plug] += said

    def close(self):
        for plug in self.heard:
            plug.close()


def table(title, server, filling, count):
    """Prints what was measured; answers what is beyond the goal."""
    server.until_quiet()
    client, before = server.client(), server.resident_mib()
    streams = Streams(server, count)
    streams.listen(b"event: ready")
    time.sleep(2)
    quiet = server.resident_mib()
    wrote = client.ask("POST", "/v1/activities", {"items": [filling.record(1)]})["items"][0]
    took = streams.listen(wrote["id"].encode())
    woken = server.resident_mib()
    time.sleep(20)
    later = server.resident_mib()
    streams.close()
    print(f"\n### {title}: {count} open streams\n")
    print("| | resident, MiB | more than before |\n|---|--:|--:|")
    told = f"all told of one write, in {took:.1f} s"
    lines = {"before": before, "open and quiet": quiet, told: woken, "20 s later": later}
    for name, mib in lines.items():
        print(f"| {name} | {mib:.1f} | {mib - before:+.1f} |", flush=True)
    most = max(lines.values()) - before
    return [f"{title}: {count} streams take {most:.0f} MiB"] if most > GOAL_MIB else []
