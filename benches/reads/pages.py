"""What a page of 50 activities costs where there are few records and where there are many: the same requests to both
servers in turns, so that whatever else the machine does hits both."""

import statistics
import time
import urllib.parse

import fill
from server import used_ms

# At most this much dearer where there are many.
GOAL = 1.3
PAGE = 50
# Requests to one server before it is the other's turn: the processor's time is taken over all of them.
TURN = 5


def filters(server, filling):
    """What the lists are narrowed to, by name; the newest of what was asked for last are what is asked for."""
    get = server.client().get
    newest = get("/v1/activities?limit=200")["items"]
    days = [str(filling.today.replace(year=filling.today.year - years)) for years in (0, 1)]
    party, daybook = filling.groups[0]
    return {
        "none": {},
        "none, second page": {"after": get("/v1/activities")["next"]},
        "kind": {"kind": "litter_pick"},
        "kind, second page": {"kind": "litter_pick", "after": get("/v1/activities?kind=litter_pick")["next"]},
        "kind, a rare one": {"kind": "repair"},
        "day_from": {"day_from": days[1]},
        "day_until, a year ago": {"day_until": days[1]},
        "day_from and day_until": {"day_from": days[1], "day_until": days[0]},
        "party_id": {"party_id": party},
        "daybook_id": {"daybook_id": daybook},
        "programme": {"programme": "canal"},
        "within, the middle": {"within": box(0.4, 0.6)},
        "within, a corner": {"within": box(0, 0.3)},
        "review=received": {"review": "received"},
        "review=approved": {"review": "approved"},
        "review=edited_after_approval": {"review": "edited_after_approval"},
        "review=rejected, none": {"review": "rejected"},
        "conflict=none": {"conflict": "none"},
        "conflict=hard": {"conflict": "hard"},
        "changed_since, of 200": {"changed_since": newest[-1]["received_at"]},
        "changed_since, of now": {"changed_since": now()},
        "names_me": {"names_me": "true"},
        "kind, programme and review": {"kind": "litter_pick", "programme": "canal", "review": "received"},
        "nothing that there is": {"programme": "of no one"},
    }


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def box(begin, end):
    """A part of the neighbourhood, on both axes."""
    west, east = ((fill.WEST + fill.SPREAD * part) / 1_000 for part in (begin, end))
    south, north = ((fill.SOUTH + fill.SPREAD * part) / 1_000 for part in (begin, end))
    return f"{west:.4f},{south:.4f},{east:.4f},{north:.4f}"


class Asked:
    """One request to one server, again and again."""

    def __init__(self, server, query):
        self.server, self.client, self.query = server, server.client(), query
        self.items, self.wall_ms, self.cpu_ms = self.of(PAGE), [], []

    def of(self, limit):
        """From now on a page of so many; answers how many there are."""
        self.path = "/v1/activities?" + urllib.parse.urlencode({"limit": limit, **self.query})
        return len(self.client.get(self.path)["items"])

    def turn(self):
        before = self.server.cpu_ns()
        for _ in range(TURN):
            begun = time.perf_counter()
            self.client.get(self.path)
            self.wall_ms.append((time.perf_counter() - begun) * 1_000)
        self.cpu_ms.append(used_ms(before, self.server.cpu_ns()) / TURN)


def measured(few, many, requests):
    """A line for each filter: of two servers with what filled them."""
    narrowed = [filters(*one) for one in (few, many)]
    for name in narrowed[0]:
        both = [Asked(one[0], queries[name]) for one, queries in zip((few, many), narrowed)]
        # Where few have less than a page, many are asked for as much and no more.
        least = min(asked.items for asked in both)
        for asked in both:
            asked.items = asked.of(least or PAGE)
        for number in range(max(2, requests // TURN)):
            for asked in both if number % 2 else reversed(both):
                asked.turn()
        walls, cpus = ([statistics.median(getattr(asked, what)) for asked in both] for what in ("wall_ms", "cpu_ms"))
        yield name, [asked.items for asked in both], walls, cpus


def table(title, few, many, requests):
    """Prints what was measured, as a table in Markdown; answers the filters that are beyond the goal."""
    print(f"\n### {title}\n")
    print("| filter | items | ms | ratio | processor, ms | ratio |\n|---|--:|--:|--:|--:|--:|")
    beyond = []
    for name, items, walls, cpus in measured(few, many, requests):
        ratios = [pair[1] / max(pair[0], 0.001) for pair in (walls, cpus)]
        shown = [f"{pair[0]:.2f} → {pair[1]:.2f} | {ratio:.2f}" for pair, ratio in zip((walls, cpus), ratios)]
        print(f"| {name} | {items[0]} → {items[1]} | {' | '.join(shown)} |", flush=True)
        if ratios[1] > GOAL:
            beyond.append(f"{title}: {name}, {ratios[1]:.2f} times the processor")
    return beyond
