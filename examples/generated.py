#!/usr/bin/env python3
"""The API through a client that openapi-python-client makes of openapi.json. Records an hour of work and reads it.

    pip install openapi-python-client==0.29.1 httpx attrs
    openapi-python-client generate --path ../openapi/openapi.json --meta none --output-path daybook_client \
        --config generated.yml
    python3 generated.py 01a228d0-fb36-796c-ab16-743e1c36536a

The argument is the id of the record: an app makes it itself and stores it before it sends (record.py has a uuid7).
"""
import datetime
import os
import sys
import uuid

from daybook_client import AuthenticatedClient
from daybook_client.api.activities import list_activities, record_activities
from daybook_client.api.people import get_me
from daybook_client.models import ActivityDraft, Kind, PartyDraft, Problem, RecordRequest


def answered(answer):
    """The answer, or the server's problem as an error."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(f"{answer.code}: {answer.detail}" if answer else "an answer that the document does not know")
    return answer


with AuthenticatedClient(os.environ["DAYBOOK_URL"], os.environ["DAYBOOK_TOKEN"]) as client:
    me = answered(get_me.sync(client=client))
    draft = ActivityDraft(
        id=uuid.UUID(sys.argv[1]),
        kind=Kind.HOURS,
        day=datetime.date.today(),
        parties=[PartyDraft(party_id=me.party_id, minutes=60)],
    )
    for outcome in answered(record_activities.sync(client=client, body=RecordRequest(items=[draft]))).items:
        print(outcome.status, outcome.id, *([outcome.code] if outcome.code else []))
    for activity in answered(list_activities.sync(client=client, limit=5)).items:
        minutes = sum(party.minutes for party in activity.parties)
        print(activity.id, activity.day, activity.kind, f"{minutes} min", sep="  ")
