"""Fills a neighbourhood through `POST /v1/activities`: groups with a daybook each, kinds, days and places as they come
about. The newest thousand look alike however many there are."""

import datetime
import random
import sys
import threading
import time
import uuid

BATCH = 100
WRITERS = 2
# A grant may push 64 MiB at once: about so many records.
RECORDS_OF_A_GRANT = 40_000
YEARS = 3
KINDS = {"litter_pick": 45, "street_fix": 25, "hours": 20, "repair": 10}
PROGRAMMES = {None: 60, "canal": 25, "park": 15}
# Corners of the streets where things happen, in thousandths of a degree.
SOUTH, WEST, SPREAD = 52_440, -1_910, 40
# One record in so many is edited twice as of one version; one in so many is withdrawn.
CONFLICT_EVERY, WITHDRAWN_EVERY = 16, 20
# Older than the newest so many, conflicts are rarer: no page looks further, and each costs a load of its daybook.
ALIKE = 1_000


class Filling:
    """What is written, and by whom."""

    def __init__(self, server, records):
        self.server, self.records, self.random = server, records, random.Random(2009)
        # Somebody is named in ten times as many where there are a hundred times as many.
        self.named_every = max(2, round((records / 10) ** 0.5))
        self.me = server.client().get("/v1/me")["party_id"]
        self.people = [self.party("resident") for _ in range(max(12, records // 200))]
        self.groups = [self.group() for _ in range(max(8, records // 1_000))]
        self.today = datetime.date.today()

    def party(self, kind):
        ask, id = self.server.client().ask, str(uuid.uuid4())
        ask("POST", "/v1/parties", {"id": id, "kind": kind, "sector": "community", "name": f"A {kind}"})
        return id

    def group(self):
        """A group that the coordinator is in, and its daybook."""
        ask, party, daybook = self.server.client().ask, self.party("group"), str(uuid.uuid4())
        ask("PUT", f"/v1/parties/{party}/members/{self.me}", {"capacity": "lay"})
        ask("POST", "/v1/daybooks", {"id": daybook, "party_id": party})
        return party, daybook

    def batches(self):
        for start in range(0, self.records, BATCH):
            yield start, [self.record(start + at) for at in range(min(BATCH, self.records - start))]

    def record(self, number):
        drawn = self.random
        kind, programme = drawn_of(drawn, KINDS), drawn_of(drawn, PROGRAMMES)
        day = self.today - datetime.timedelta(days=round(drawn.triangular(0, YEARS * 365, 0)))
        named = self.me if number % self.named_every == 0 else drawn.choice(self.people)
        record = {
            "id": uuid_v7(drawn),
            "daybook_id": drawn.choice(self.groups)[1],
            "kind": kind,
            "day": day.isoformat(),
            "minutes_source": "recalled",
            "parties": [{"party_id": named, "minutes": 15 * drawn.randint(1, 10)}],
            "note": "Both sides of the street, and the corner behind it.",
            "place": place(drawn),
        }
        if kind == "litter_pick":
            record |= {"bags": drawn.randint(1, 4), "tallies": [{"item": "drink.can", "count": drawn.randint(1, 60)}]}
        return record | ({"programme": programme} if programme else {})

    def fill(self):
        """All of it, by some writers at a time."""
        batches, lock, begun = self.batches(), threading.Lock(), time.monotonic()
        scope, failed = "activities:read activities:write sync reconcile places:exact", []

        def write():
            client, written = None, RECORDS_OF_A_GRANT
            try:
                while True:
                    with lock:
                        number, batch = next(batches, (None, None))
                    if batch is None or failed:
                        return
                    if written >= RECORDS_OF_A_GRANT:
                        client, written = self.server.client(self.server.grant(scope)), 0
                    self.write(client, number, batch)
                    written += len(batch)
                    if number % 5_000 == 0:
                        tell(f"{self.server.name}: {number} records after {time.monotonic() - begun:.0f} s")
            except Exception as error:
                failed.append(error)

        writers = [threading.Thread(target=write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        if failed:
            raise failed[0]

    def write(self, client, number, batch):
        answered = client.ask("POST", "/v1/activities", {"items": batch})["items"]
        for at, item in enumerate(answered):
            if item["status"] not in (200, 201):
                raise RuntimeError(f"not recorded: {item}")
            every = CONFLICT_EVERY if number + at >= self.records - ALIKE else CONFLICT_EVERY * 16
            if (number + at) % every == 0:
                for phase in ("planning", "delivery"):
                    edit(client, item["activity"], {"phase": phase})
            elif (number + at) % WITHDRAWN_EVERY == 1:
                edit(client, item["activity"], {"withdrawn": True})


def edit(client, activity, fields):
    body = {"change_id": str(uuid.uuid4()), "base_version": activity["version"], "set": fields}
    client.ask("PATCH", f"/v1/activities/{activity['id']}", body)


def place(drawn):
    """Most of it around the middle."""
    north, east = (drawn.triangular(0, SPREAD) for _ in range(2))
    return {"lat": (SOUTH + north) / 1_000, "lon": (WEST + east) / 1_000, "accuracy_m": 10.0}


def drawn_of(drawn, weights):
    return drawn.choices(list(weights), list(weights.values()))[0]


def uuid_v7(drawn):
    bits = int(time.time() * 1_000) << 80 | 7 << 76 | drawn.getrandbits(12) << 64 | 2 << 62 | drawn.getrandbits(62)
    return str(uuid.UUID(int=bits))


def tell(text):
    print(text, file=sys.stderr, flush=True)
