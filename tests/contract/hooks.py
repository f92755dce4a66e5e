"""What Schemathesis is told about this server beyond the OpenAPI document: how CBOR is written, how a phone proves its
key, what a run must leave alone lest it lock itself out, and which answers are right although a schema cannot say so."""

import atexit
import base64
import collections
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
import zlib

import cbor2
import schemathesis
from schemathesis.generation.meta import TestPhase

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proofs import Key  # noqa: E402

URL = os.environ["CONTRACT_URL"]
TOKEN = os.environ["CONTRACT_TOKEN"]
# Less than that is no cursor of the server's.
CURSOR_CHARACTERS = 40


def token_for(path):
    return os.environ["CONTRACT_OPERATOR_TOKEN"] if path.startswith("/v1/neighbourhoods") else TOKEN


def ask(path, body=None, headers=None):
    """One request of our own: the headers and the body of whatever comes back."""
    request = urllib.request.Request(
        URL + path,
        headers={"Authorization": f"Bearer {token_for(path)}", "Content-Type": "application/json", **(headers or {})},
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.headers, json.load(error)


ME = ask("/v1/me")[1]
GRANTS = {grant["id"] for grant in ask("/v1/grants")[1]["items"]}


def name_of(case):
    return case.operation.definition.raw["operationId"]


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


# What a run leaves alone.


@schemathesis.hook
def filter_case(context, case):
    """Who takes back their own token, or makes themselves an alias of somebody else, tries nothing after that."""
    path = case.path_parameters or {}
    operation = name_of(case)
    if operation in ("narrow_grant", "revoke_grant"):
        return path.get("id") not in GRANTS
    if operation == "put_alias":
        return path.get("alias_id") != ME["party_id"]
    return True


# Phones: a proof and an invitation cannot be drawn at random.


class Phone:
    """The key of this run, and what the server gave it."""

    def __init__(self):
        self.key = Key()
        self.nonce, self.nonce_at = None, 0.0
        self.enrolments = []

    def proof(self, method, path):
        if time.monotonic() - self.nonce_at > 240:
            self.nonce = ask("/oauth/token", {})[0]["DPoP-Nonce"]
            self.nonce_at = time.monotonic()
        return self.key.proof(method, URL + path, self.nonce)

    def refresh_token(self):
        if not self.enrolments:
            self.key = Key()
            ids = {name: str(uuid.uuid4()) for name in ("invitation", "device", "party", "daybook")}
            body = {
                "invitation": self.invitation(),
                "device": {"id": ids["device"], "name": "A phone"},
                "party": {"id": ids["party"], "name": "Somebody"},
                "daybook_id": ids["daybook"],
            }
            _, enrolled = ask("/v1/enrolments", body, {"DPoP": self.proof("POST", "/v1/enrolments")})
            self.enrolments.append(enrolled["refresh_token"])
        return self.enrolments[-1]

    @staticmethod
    def invitation():
        """By a coordinator, whoever this run is: a resident invites from a device, not with a personal token."""
        by = {"Authorization": f"Bearer {os.environ['CONTRACT_INVITER_TOKEN']}"}
        return ask("/v1/invitations", {"id": str(uuid.uuid4())}, by)[1]["token"]


ENROLLING, REFRESHING = Phone(), Phone()


def every_second(case):
    return int(case.id.encode().hex(), 16) % 2 == 1


# Walks: one answer leads to the next, and by chance few would. What is changed of a request depends on the request
# alone: a walk ends where the same request is answered in another way than before.


def is_of_a_walk(case):
    return is_positive(case) and case.meta.phase.name is TestPhase.STATEFUL


def chosen(value):
    """Half of all values, whenever they come."""
    return zlib.crc32(repr(value).encode()) % 2 == 1


def one_at_a_time(case):
    """A list that is narrowed at random is empty, and one of any length has no second page: half of them are asked for
    as they are, an item at a time."""
    query = dict(case.query or {})
    if "limit" in {parameter.name for parameter in case.operation.query} and chosen(query):
        drawn = len(str(query.get("after", ""))) < CURSOR_CHARACTERS
        case.query = {"limit": 1} if drawn else {"limit": 1, "after": query["after"]}


def made_anew(case):
    """What is created is new, also where the same was drawn before; half of it is there already when it is sent."""
    half = chosen(case.body)
    items = case.body.get("items")
    for made in [case.body, *(items if isinstance(items, list) else [])]:
        if isinstance(made, dict) and "id" in made:
            made["id"] = str(uuid.uuid4())
    if "id" in case.body and half:
        ask(case.formatted_path, case.body)


def as_of_now(operation, case):
    """Versions and entity tags are the server's, a period has been, and few fields take what is drawn for them."""
    (case.headers or {}).pop("If-Match", None)
    if operation == "edit_activity":
        case.body["set"] = {"note": "Anew"} if chosen(case.body) else case.body.get("set")
        case.body["change_id"] = str(uuid.uuid4())
        case.body["base_version"] = ask(case.formatted_path)[1].get("version", case.body.get("base_version"))
    if operation == "create_period" and case.body.get("day_from", "9") < time.strftime("%Y-%m-%d"):
        case.body["day_until"] = case.body["day_from"]
    if operation == "put_rules":
        case.body["version"] = ask("/v1/rules")[1]["version"] + 1


def lead_on(operation, case):
    if not is_of_a_walk(case):
        return
    one_at_a_time(case)
    if isinstance(case.body, dict):
        as_of_now(operation, case)
        if case.method == "POST":
            made_anew(case)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Well-formed requests of phones get what a phone would have: every second one, so that the others are tried too."""
    operation = name_of(case)
    lead_on(operation, case)
    # Ids that an earlier answer gave are put in after `filter_case` has looked.
    if operation in ("narrow_grant", "revoke_grant") and (case.path_parameters or {}).get("id") in GRANTS:
        case.path_parameters["id"] = str(uuid.uuid4())
    if not is_positive(case) or not case.headers:
        return
    # What changes a thing is of whatever is there, every second one: no tag is met by chance.
    if operation in ("narrow_grant", "update_device", "update_party") and int(case.id.encode().hex(), 16) % 2:
        case.headers["If-Match"] = "*"
    if operation not in ("enrol_device", "issue_token"):
        return
    if operation == "enrol_device":
        ENROLLING.key = Key()
        case.headers["DPoP"] = ENROLLING.proof(case.method, "/v1/enrolments")
        if isinstance(case.body, dict) and every_second(case):
            case.body["invitation"] = Phone.invitation()
    else:
        token = REFRESHING.refresh_token()
        case.headers["DPoP"] = REFRESHING.proof(case.method, "/oauth/token")
        if isinstance(case.body, dict) and every_second(case):
            case.body["refresh_token"] = token


# CBOR: bytes are byte strings there, which JSON writes in base64url.


def packed(value, key=None):
    if isinstance(value, dict):
        return {name: packed(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [packed(item, key) for item in value]
    if key == "changes" and isinstance(value, str):
        try:
            return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return value
    return value


def unpacked(value):
    if isinstance(value, dict):
        return {name: unpacked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    return value


@schemathesis.serializer("application/cbor")
def cbor(context, value):
    return cbor2.dumps(packed(value))


@schemathesis.deserializer("application/octet-stream")
def from_bytes(context, response):
    return response.content.decode("latin-1")


@schemathesis.deserializer("application/cbor")
def from_cbor(context, response):
    return unpacked(cbor2.loads(response.content))


# Answers that are right although a schema cannot say so. Each is as narrow as it can be: the operation, the place and
# the code; whatever else goes wrong is a failure. How often each was met is printed at the end.

# By operation: place in the request and code of the problem, and the rule.
BEYOND_SCHEMAS = {
    ("get_account", "?journal_no", "out_of_bounds"): "the journal's last number rises",
    ("get_totals", "?journal_no", "out_of_bounds"): "the journal's last number rises",
    ("get_totals", "?restated_no", "out_of_bounds"): "not below journal_no, and the last number rises",
    ("create_party", "/supervisors", "age_band"): "only minors have supervisors",
    ("create_party", "/supervisors", "unknown"): "supervisors are adults who are there",
    ("create_party", "/age_band", "kind"): "only residents have an age",
    ("update_party", "/supervisors", "age_band"): "only minors have supervisors",
    ("update_party", "/supervisors", "unknown"): "supervisors are adults who are there",
    ("update_party", "/age_band", "kind"): "only residents have an age",
    ("create_grant", "/scope", "scope"): "within the scopes of the caller",
    ("create_grant", "/expires_at", "out_of_range"): "in the future, at most 366 days ahead",
    ("edit_activity", "/set/*", "wrong_type"): "each field has its type",
    ("edit_activity", "/set/*", "out_of_range"): "each field has its bounds",
    ("edit_activity", "/set/*", "required"): "kind and day cannot be removed",
    ("list_activities", "?within", "invalid"): "degrees have bounds, and south is not above north",
    ("narrow_grant", "/scope", "*"): "within the scopes that the grant has",
    ("narrow_grant", "/expires_at", "out_of_range"): "in the future, and not after the end that the grant has",
    ("create_neighbourhood", "/time_zone", "time_zone"): "names of IANA",
    ("put_clock", "/now", "out_of_range"): "at most ten years ahead of the machine",
    ("create_period", "/day_until", "*"): "not before day_from, not after today",
    ("reply_to_activity", "/text", "required"): "a message needs a text, the others do not",
    ("lease_card", "/release", "not_here"): "take over or give back",
    ("put_rules", "/thresholds", "out_of_bounds"): "distances and accuracy together",
    ("try_rules", "/thresholds", "out_of_bounds"): "distances and accuracy together",
    ("decide", "/items/#/*", "not_here"): "belongs to another step",
    ("decide", "/items/#/*", "missing_field"): "needed by this step",
    ("decide", "/items/#/members", "count"): "a merge names others",
    ("decide", "/token", "token"): "tokens are the server's",
    ("decide", "/items", "other_items"): "the token is of other items",
    ("preview_decisions", "/items", "not_here"): "items or undo_batch",
    ("preview_decisions", "/items", "count"): "items or undo_batch",
    ("sync", "/daybooks/#/id", "twice"): "each daybook once",
}
BATCHES = {"record_activities", "decide", "preview_decisions"}
REVOKED = {"list_devices", "list_grants", "list_invitations", "update_device", "narrow_grant"}
MET = collections.Counter()


def content(response):
    try:
        return response.json()
    except ValueError:
        return {}


def rejected_rightly(operation, case, response):
    problem = content(response)
    if response.status_code == 400 and problem.get("code") == "cursor_invalid":
        return "cursors are the server's"
    if problem.get("code") == "precondition_failed":
        return "entity tags are the server's"
    if operation == "issue_token" and problem.get("error") == "invalid_grant":
        return "refresh tokens are the server's"
    errors = problem.get("errors", []) if response.status_code in (400, 422) else []
    rules = []
    for error in errors:
        place = re.sub(r"/\d+(?=/|$)", "/#", error["pointer"])
        wider = place.rsplit("/", 1)[0] + "/*"
        keys = [(operation, place, error["code"]), (operation, wider, error["code"]), (operation, place, "*")]
        rules.append(next((BEYOND_SCHEMAS[key] for key in keys if key in BEYOND_SCHEMAS), None))
    return None if None in rules or not rules else f"{operation}: {rules[0]}"


def accepted_rightly(operation, case, response):
    answers = content(response).get("items", [])
    if operation in BATCHES and any(answer.get("status", 0) >= 400 for answer in answers):
        return "a batch answers 200, and for each item by itself"
    return None


def still_there_rightly(operation, case, response):
    answered = content(response)
    if operation in REVOKED and any("revoked_at" in item for item in answered.get("items", [answered])):
        return "what is revoked stays, and says so"
    return None


RIGHTLY = {"ST202": rejected_rightly, "ST201": accepted_rightly, "ST301": still_there_rightly}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    judge = RIGHTLY.get(failure.code)
    rule = judge and judge(name_of(case), case, response)
    if rule:
        MET[rule] += 1
    return not rule


@atexit.register
def tell():
    for rule, times in sorted(MET.items()):
        print(f"beyond schemas, {times} times: {rule}", file=sys.stderr)
