// Somebody leaves a group with work unsent in its daybook, goes on in their own, and comes back:
//
//     node group.mjs --url http://127.0.0.1:8080 --invitation dbi_…
//
// The invitation is a coordinator's. Prints the records of both daybooks, by daybook, as one line of JSON.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import { Book } from "./book.mjs";
import { Phone } from "./phone.mjs";

/** More than one request takes. */
const MANY = 257;
/** The time of the server that these tests start. A record from its future would wait for a person. */
const SERVER_MS = Date.parse("2026-11-21T10:00:00Z");
const started = Date.now();
const clock = () => SERVER_MS + (Date.now() - started);
const { url, invitation } = parseArgs({ options: { url: { type: "string" }, invitation: { type: "string" } } }).values;

const dee = await Phone.create("Dee", url, clock);
dee.goOnline();
await dee.enrol(invitation);
const bilal = await Phone.create("Bilal", url, clock);
bilal.goOnline();
await bilal.enrol((await dee.session.post("/v1/invitations", { id: crypto.randomUUID() })).token);

const [group, shared] = [crypto.randomUUID(), crypto.randomUUID()];
const body = JSON.stringify({ capacity: "lay", from_day: "2026-01-01" });
const membership = (phone) => `/v1/parties/${group}/members/${phone.party}`;
await dee.session.post("/v1/parties", { id: group, kind: "group", sector: "community", name: "Friends" });
for (const phone of [dee, bilal]) await dee.session.call("PUT", membership(phone), { body });
await dee.session.post("/v1/daybooks", { id: shared, party_id: group });
dee.book(shared);
// The group's comes first in every request: what becomes of it must hold up nothing.
bilal.books = new Map([[shared, new Book(shared)], [bilal.own, bilal.book()]]);

const records = { [shared]: [], [bilal.own]: [] };
function record(daybook) {
  const fields = { kind: "hours", day: "2026-11-20", [`party/${bilal.party}`]: 1 };
  records[daybook].push(bilal.record(fields, daybook));
}

record(shared);
await bilal.sync();
assert.equal(bilal.book(shared).group, group, "the phone learns whose it is");
assert.equal(bilal.book().group, null);

bilal.goOffline();
for (const daybook of [shared, shared, bilal.own]) record(daybook);
await dee.session.call("DELETE", membership(bilal));
// The server remembers for some seconds who may do what; asked for somebody else's daybook, it looks again.
const elses = { device_time: new Date(clock()).toISOString(), daybooks: [{ id: dee.own, cursor: null }] };
await bilal.session.post("/v1/sync", elses);
bilal.goOnline();
let report = await bilal.sync();
assert.deepEqual([report.accepted, report.held, report.barred], [1, 2, [shared]]);
assert.deepEqual(bilal.barred(), [{ id: shared, group, unsent: 0, held: 2, code: "left_group" }]);

record(shared);
for (let more = 0; more < MANY; more += 1) record(bilal.own);
report = await bilal.sync();
assert.deepEqual([report.accepted, report.held], [MANY, 1], "everything of the person's own goes out");
const kept = bilal.book(shared);
bilal.books.set(shared, new Book(shared, kept.stored())); // the app starts again
assert.deepEqual(bilal.barred(), [{ id: shared, group, unsent: 0, held: 3, code: "left_group" }], "nothing is lost");

// A daybook that is somebody else's, whose the phone never learnt: it asks for it as its own, and is told.
bilal.book(dee.own);
record(bilal.own);
report = await bilal.sync();
assert.equal(report.accepted, 1);
assert.equal(bilal.barred().find(({ id }) => id === dee.own).code, "id_reused");
bilal.books.delete(dee.own);

record(shared);
assert.deepEqual(bilal.barred(), [{ id: shared, group, unsent: 1, held: 3, code: "left_group" }]);
await dee.session.call("PUT", membership(bilal), { body });
report = await bilal.sync();
assert.deepEqual([report.accepted, report.barred, bilal.barred()], [1, [], []], "back again: what waited goes out");
assert.deepEqual([bilal.book(shared).held.size, bilal.book(shared).unsent()], [0, []]);
assert.equal(bilal.book(shared).group, group);
await dee.sync();
for (const id of records[shared]) assert.equal(dee.book(shared).doc[id]?.kind, "hours");

// A server that was restored may have lost a group's daybook: a member brings it back as the group's.
const lost = crypto.randomUUID();
bilal.book(lost).group = group;
await bilal.sync();
const { daybooks } = await dee.session.get("/v1/me");
assert.equal(daybooks.find(({ id }) => id === lost)?.party_id, group);

console.log(JSON.stringify(records));
