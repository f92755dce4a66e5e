// Phones behind a snapshot, told with stock Automerge for JavaScript against a server that compacts:
//
//     node snapshot.mjs --url http://127.0.0.1:8080 --invitation dbi_…
//
// Prints the heads that all sides agree on as one line of JSON. Where they differ it throws, and exits with 1.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import * as Automerge from "@automerge/automerge";

import { hex, random } from "./bytes.mjs";
import { Phone } from "./phone.mjs";
import { readDocument } from "./reading.mjs";

const { ImmutableString } = Automerge;
const COMPACTED_WITHIN_MS = 60_000;

const options = { url: { type: "string" }, invitation: { type: "string" } };
const { url, invitation } = parseArgs({ options }).values;

const heads = (phone) => Automerge.getHeads(phone.book().doc).sort();

async function further(first, name) {
  const device = await Phone.create(name, url);
  const body = { id: crypto.randomUUID(), party_id: first.party };
  const { token } = await first.session.post("/v1/invitations", body);
  device.goOnline();
  await device.enrol(token);
  device.own = first.own;
  device.book();
  return device;
}

/** What a phone gets that has nothing, once it is a snapshot. */
async function snapshot(phone) {
  const daybooks = [{ id: phone.own, cursor: null }];
  for (const until = Date.now() + COMPACTED_WITHIN_MS; Date.now() < until; ) {
    const answer = await phone.session.post("/v1/sync", { device_time: new Date().toISOString(), daybooks });
    if (answer.daybooks[0].snapshot) return answer.daybooks[0].snapshot;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("the daybook is not compacted");
}

const one = await Phone.create("Asha", url);
one.goOnline();
await one.enrol(invitation);
const first = one.record({ kind: "hours", day: "2026-11-13", [`party/${one.party}`]: 15, note: "sweeping" });
await one.sync();
const two = await further(one, "Asha's tablet");
await two.sync();

two.edit(first, (fields, doc) => Automerge.splice(doc, [first, "note"], 0, 0, "more "));
const offline = two.record({ kind: "hours", day: "2026-11-14", [`party/${one.party}`]: 20 });
for (let at = 0; at < 90; at += 1) {
  one.record({ kind: "repair", day: "2026-11-15", "repair.product": new ImmutableString(hex(random(450))) });
}
await one.sync();
const { etag, bytes } = await snapshot(one);

const blank = await further(one, "Asha's new phone");
const begun = await blank.session.call("GET", `/v1/daybooks/${one.own}`, { headers: { range: "bytes=0-999" } });
assert.deepEqual([begun.status, begun.headers.get("etag")], [206, etag]);
blank.book().download = { etag, bytes: new Uint8Array(await begun.arrayBuffer()) };
const restored = await blank.sync();
assert.deepEqual([restored.snapshots, restored.accepted], [1, 0], "a cut download goes on");
assert.deepEqual(heads(blank), heads(one), "a blank phone has everything");
assert.ok(bytes > 1000);

// The cut download was of other bytes: it begins again.
const stale = await further(one, "Asha's watch");
stale.book().download = { etag: '"other"', bytes: random(1000) };
assert.equal((await stale.sync()).snapshots, 1);
assert.deepEqual(heads(stale), heads(one));

const caught = await two.sync();
assert.deepEqual([caught.snapshots, caught.accepted, caught.reloads], [1, 2, 0], "its own work is pushed after");
await one.sync();
assert.deepEqual(heads(one), heads(two));
const read = readDocument(one.book().doc);
assert.deepEqual(read[first].note, ["more sweeping"]);
assert.ok(read[offline]);
console.log(JSON.stringify({ daybook: one.own, heads: heads(one) }));
