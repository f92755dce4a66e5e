#!/usr/bin/env python3
"""Records a litter pick in Daybook, with or without signal, and lists what you have recorded.

    export DAYBOOK_URL=http://127.0.0.1:8080 DAYBOOK_TOKEN=dbp_…
    python3 record.py --minutes 40 --bags 2 --note "Along the canal" --offline
    python3 record.py

The first line stores a record in the outbox, a small file; the second sends what waits there and lists. Needs
Python 3.9 and nothing else, and a personal token with the scopes activities:read and activities:write.
"""
from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

BATCH_MAX = 100  # activities of one request
PAUSE_S = 60  # where the server asks for patience without saying how long


class NoSignal(Exception):
    """No answer, or none of Daybook's. Whether the request arrived is unknown, so it is sent again as it was."""


class Refused(Exception):
    """A problem (RFC 9457): the request as a whole was not taken, and nothing of it was written."""

    def __init__(self, status: int, problem: dict, retry_after: str | None):
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem
        self.pause_s = int(retry_after) if (retry_after or "").isdigit() else PAUSE_S


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The page of a guest Wi-Fi must not get the token, which urllib would take along."""

    def redirect_request(self, *_):
        return None


class Daybook:
    """The few calls that this example needs."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url.rstrip("/"), token
        self.opener = urllib.request.build_opener(NoRedirects)

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            try:
                problem = json.load(error)
                raise Refused(error.code, problem, error.headers.get("Retry-After")) from None
            except (ValueError, OSError, http.client.HTTPException):
                raise NoSignal(f"{error.code} from something that is not Daybook") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoSignal(str(error) or type(error).__name__) from None

    def activities(self, page_size: int):
        """All of the caller's, newest received first, page by page."""
        query = {"limit": page_size}
        while True:
            page = self.call("GET", "/v1/activities?" + urllib.parse.urlencode(query))
            yield from page["items"]
            if "next" not in page:
                return
            query["after"] = page["next"]


class Outbox:
    """What waits to be sent. `aside` is what the server will never take as it is: for a person to look at."""

    def __init__(self, path: str):
        self.path = path
        self.kept = {"party_id": None, "not_before": 0, "waiting": [], "aside": []}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.kept.update(json.load(file))

    def save(self) -> None:
        """All or nothing: a phone that dies meanwhile has the old file or the new one."""
        beside = self.path + ".new"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(self.kept, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)


def uuid7() -> str:
    """An id with the time in front (RFC 9562)."""
    value = time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def record(outbox: Outbox, wanted: argparse.Namespace) -> None:
    """Stores a record under an id of its own. From here on it does not change: what is sent again is the same."""
    item = {
        "id": uuid7(),
        "kind": "litter_pick",
        "day": wanted.day,
        "minutes_source": "recalled",
        # Minutes belong to somebody. Who the token speaks for is not known before the first contact.
        "parties": [{"party_id": outbox.kept["party_id"], "minutes": wanted.minutes}],
    }
    if wanted.bags is not None:
        item["bags"] = wanted.bags
    if wanted.note:
        item["note"] = wanted.note
    outbox.kept["waiting"].append(item)
    outbox.save()
    print(f"stored {item['id']}")


def greet(daybook: Daybook, outbox: Outbox) -> None:
    """Learns who this is, and puts that into the records made before; stored before anything is sent."""
    me = daybook.call("GET", "/v1/me")
    known = outbox.kept["party_id"]
    if known and known != me["party_id"]:
        sys.exit(f"{outbox.path} is the outbox of somebody else: name another one with --outbox.")
    print(f"you are {me.get('name', 'a resident')}, in {me['neighbourhood']['name']}")
    outbox.kept["party_id"] = me["party_id"]
    for item in outbox.kept["waiting"]:
        for party in item["parties"]:
            party["party_id"] = party["party_id"] or me["party_id"]
    outbox.save()


def outcomes(daybook: Daybook, items: list) -> list:
    """One outcome for each item. Where a request cannot be read for the sake of one item, the halves go alone."""
    try:
        return daybook.call("POST", "/v1/activities", {"items": items})["items"]
    except Refused as error:
        if error.status not in (400, 413, 422):
            raise
        if len(items) == 1:
            return [{**error.problem, "status": error.status}]
        middle = len(items) // 2
        return outcomes(daybook, items[:middle]) + outcomes(daybook, items[middle:])


def send(daybook: Daybook, outbox: Outbox) -> None:
    """Sends what waits. Whatever happens on the way, a record leaves the outbox only once it has an outcome."""
    kept, at = outbox.kept, 0
    pause_s = kept["not_before"] - time.time()
    if kept["waiting"] and pause_s > 0:
        print(f"the server asked for patience: {len(kept['waiting'])} wait for {pause_s:.0f} s more")
        return
    while at < len(kept["waiting"]):
        batch = kept["waiting"][at : at + BATCH_MAX]
        try:
            answers = outcomes(daybook, batch)
        except Refused as error:
            if error.status in (429, 503):
                kept["not_before"] = time.time() + error.pause_s
                outbox.save()
            raise
        again = [item for item, outcome in zip(batch, answers) if not settle(outbox, item, outcome)]
        if again:
            kept["not_before"] = time.time() + PAUSE_S  # an item's outcome does not say how long
        kept["waiting"][at : at + BATCH_MAX] = again
        at += len(again)
        outbox.save()


def settle(outbox: Outbox, item: dict, outcome: dict) -> bool:
    """Takes the outcome of one item; says whether it may leave the outbox."""
    status, code = outcome["status"], outcome.get("code")
    if status == 201:
        print(f"recorded {item['id']}")
    elif status == 200:  # an answer got lost on the way: the server had it
        print(f"recorded before {item['id']}")
    elif status == 410:  # the resident had it erased: keeping it here would bring it back
        print(f"erased {item['id']}: {outcome.get('detail')}")
    elif status == 429 or status >= 500:
        print(f"later {item['id']}: {code}: {outcome.get('detail')}")
        return False
    else:  # 409 another record has this id, 422 a field does not fit, 404 no daybook to write in
        print(f"set aside {item['id']}: {code}: {outcome.get('detail')}")
        for error in outcome.get("errors", []):
            print(f"  {error['pointer']}: {error['code']}")
        outbox.kept["aside"].append({"item": item, "outcome": outcome})
    return True


def show(activity: dict) -> None:
    minutes = sum(party["minutes"] for party in activity["parties"])
    words = [activity["id"], activity.get("day", "?"), activity.get("kind", "?"), f"{minutes} min", activity["review"]]
    print("  ".join([*words, activity.get("note", "")]).rstrip())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("DAYBOOK_URL"), help="or DAYBOOK_URL")
    parser.add_argument("--token", default=os.environ.get("DAYBOOK_TOKEN"), help="or DAYBOOK_TOKEN")
    parser.add_argument("--outbox", default="daybook-outbox.json", help="file of what waits (%(default)s)")
    parser.add_argument("--minutes", type=int, help="record a litter pick of so many minutes")
    parser.add_argument("--bags", type=int, help="bags filled")
    parser.add_argument("--note", help="what you want to say about it")
    parser.add_argument("--day", default=datetime.date.today().isoformat(), help="the day that you mean (today)")
    parser.add_argument("--offline", action="store_true", help="store only")
    parser.add_argument("--page-size", type=int, default=50, help="activities of one page of the list")
    wanted = parser.parse_args()
    if not wanted.offline and not (wanted.url and wanted.token):
        parser.error("where is the server, and who are you? Give --url and --token, or --offline.")
    return wanted


def main() -> int:
    wanted = arguments()
    outbox = Outbox(wanted.outbox)
    if wanted.minutes is not None:
        record(outbox, wanted)
    waiting = outbox.kept["waiting"]
    if wanted.offline:
        print(f"{len(waiting)} in the outbox")
        return 0
    daybook = Daybook(wanted.url, wanted.token)
    try:
        greet(daybook, outbox)
        send(daybook, outbox)
        for activity in daybook.activities(wanted.page_size):
            show(activity)
    except NoSignal as error:
        print(f"no signal ({error})")
    except Refused as error:
        print(f"not taken: {error}")
    print(f"{len(waiting)} in the outbox, {len(outbox.kept['aside'])} set aside")
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
