// What residents do with their phones, told with stock Automerge for JavaScript against a running server:
//
//     node story.mjs --url http://127.0.0.1:8080 --invitation dbi_…
//
// Prints what all sides agree on as one line of JSON. Where they differ it throws, and exits with 1.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import * as Automerge from "@automerge/automerge";

import { hex, random } from "./bytes.mjs";
import { Phone } from "./phone.mjs";
import { counts, readDocument, readViews } from "./reading.mjs";

const { Counter, Float64, ImmutableString, Int } = Automerge;
const HOUR_MS = 3_600_000;
/** The time of the server that these tests start. A record from its future would wait for a person. */
const SERVER_MS = Date.parse("2026-11-21T10:00:00Z");
const started = Date.now();
const clock = (behindMs) => () => SERVER_MS - behindMs + (Date.now() - started);
const JUDGED_WITHIN_MS = 30_000;

const options = { url: { type: "string" }, invitation: { type: "string" } };
const { url, invitation } = parseArgs({ options }).values;

const heads = (phone) => Automerge.getHeads(phone.book().doc).sort();
const reading = (phone) => readDocument(phone.book().doc);
const views = (phone) => phone.session.list(`/v1/activities?daybook_id=${phone.own}`);

/** All phones hold the same, and it is what the server reads. */
async function agree(what, ...phones) {
  const [first, ...others] = phones;
  for (const other of others) {
    assert.deepEqual(heads(other), heads(first), `${what}: heads`);
    assert.deepEqual(reading(other), reading(first), `${what}: readings of two phones`);
  }
  const daybooks = await first.session.list("/v1/daybooks?");
  const daybook = daybooks.find(({ id }) => id === first.own);
  assert.deepEqual(daybook.heads.sort(), heads(first), `${what}: heads of the server`);
  assert.deepEqual(readViews(await views(first)), reading(first), `${what}: readings of phone and server`);
}

/** Syncs until nothing waits to be judged. */
async function judged(phone) {
  for (const until = Date.now() + JUDGED_WITHIN_MS; Date.now() < until; ) {
    const report = await phone.sync();
    if (!report.verdictsPending) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("records are not judged");
}

/** A further device of somebody's, with what the server has on it. */
async function further(first, name, record = () => {}) {
  const device = await Phone.create(name, url, clock(0));
  record(device);
  const body = { id: crypto.randomUUID(), party_id: first.party };
  const { token } = await first.session.post("/v1/invitations", body);
  device.goOnline();
  const { party_id: party } = await device.enrol(token);
  assert.equal(party, first.party, `${name} belongs to its resident`);
  device.own = first.own;
  device.book();
  return device;
}

/** All four kinds, in the ways in which JavaScript writes. Six changes, the last one with a counter in it. */
function recordAll(phone) {
  const me = `party/${phone.party}`;
  const pick = phone.record({
    kind: "litter_pick", day: "2026-11-14", started_at: new Date("2026-11-14T10:00:00Z"), [me]: 90,
    [`tally/smoking.butts#${phone.register}`]: 40, [`tally/bags#${phone.register}`]: 2,
    "place.lat": 52.456, "place.lon": -1.89, "place.accuracy_m": 8, note: "canal path",
  });
  const repair = phone.record({
    kind: new ImmutableString("repair"), day: new ImmutableString("2026-11-15"), [me]: 45,
    "repair.product": "Kettle", "repair.year": 2019, "repair.age_years": 3.5, "repair.status": "Fixed",
  });
  const street = phone.record({ kind: "street_fix", day: "2026-11-16", "grade.before": "D", "grade.after": "B" });
  phone.edit(street, (fields) => {
    fields[me] = new Float64(30);
    fields["place.lat"] = new Int(52);
    fields["place.lon"] = -2;
    fields["street.service_code"] = new ImmutableString("graffiti");
  });
  const hours = phone.record({ kind: "hours", day: "2026-11-17", phase: "planning", [me]: 60, weather: "wet" });
  phone.edit(hours, (fields) => {
    fields[`tally/paper.leaflets#${phone.register}`] = new Counter(5);
  });
  return { pick, repair, street, hours };
}

/** The first device records before it is enrolled; the second comes with work of its own in a daybook of its own. */
async function begin() {
  const one = await Phone.create("Asha", url, clock(9 * HOUR_MS)); // its clock is nine hours behind
  const ids = recordAll(one);
  await assert.rejects(one.sync(), /offline/, "nothing is sent without signal");
  one.goOnline();
  await one.enrol(invitation);
  const report = await one.sync();
  assert.deepEqual([report.accepted, report.held, report.refused], [6, 0, 0], "every change is accepted");
  let elsewhere;
  const two = await further(one, "Asha's tablet", (tablet) => {
    const before = { kind: "hours", day: "2026-11-13", [`party/${tablet.party}`]: 15 };
    elsewhere = tablet.record(before);
  });
  await two.sync();
  await agree("a second device", one, two);
  await judged(one);
  for (const id of [...Object.values(ids), elsewhere]) {
    const verdict = one.verdicts.get(id);
    assert.equal(verdict?.review, "approved", `clean records are approved by rule: ${JSON.stringify(verdict)}`);
  }
  return { one, two, ids: { ...ids, elsewhere } };
}

/** Both devices write at once, without signal, and sync in different orders. */
async function disagree(one, two, { pick, street, hours }) {
  for (const phone of [one, two]) phone.goOffline();
  const butts = ({ register }) => `tally/smoking.butts#${register}`;
  one.edit(pick, (fields, doc) => {
    fields[butts(one)] += 10;
    Automerge.splice(doc, [pick, "note"], 0, 0, "the ");
  });
  two.edit(pick, (fields, doc) => {
    fields[butts(two)] = 7;
    Automerge.updateText(doc, [pick, "note"], "canal path, both sides");
  });
  one.edit(hours, (fields) => {
    fields.minutes_source = "clocked";
    fields[`tally/paper.leaflets#${one.register}`].increment(2);
  });
  two.edit(hours, (fields) => {
    fields.minutes_source = "recalled";
    fields[`tally/paper.leaflets#${one.register}`].increment(3);
  });
  one.edit(street, (fields) => {
    fields[`party/${one.party}`] = 40;
    delete fields["grade.after"];
  });
  two.edit(street, (fields) => {
    fields[`party/${one.party}`] = 50;
    fields["grade.after"] = "A";
  });
  for (const phone of [one, two]) phone.goOnline();
  for (const phone of [two, one, two]) await phone.sync();
  await agree("after different edits", one, two);

  one.edit(hours, (fields) => (fields.note = "leaflets"));
  two.edit(pick, (fields) => (fields[`tally/bags#${two.register}`] = new Int(1)));
  for (const phone of [one, two, one]) await phone.sync();
  await agree("in the other order", one, two);

  const seen = new Map((await views(one)).map((view) => [view.id, view]));
  assert.deepEqual(counts(seen.get(pick)), { "smoking.butts": 57, bags: 3 }, "counts add up");
  assert.deepEqual(counts(seen.get(hours)), { "paper.leaflets": 10 }, "increments add up");
  assert.equal(seen.get(pick).note, "the canal path, both sides", "notes merge");
  const conflicts = [pick, hours, street].map((id) => seen.get(id).conflict);
  assert.deepEqual(conflicts, ["none", "soft", "hard"]);
  assert.equal(seen.get(street).grade.after, "A", "written and deleted at once: written");
}

/** Two programs with one pinned actor: the server takes one branch, the other recovers by a reload. */
async function fork(one, { pick, hours }) {
  const actor = hex(random(16));
  const [left, right] = [one.twin(one.stored(), actor), one.twin(one.stored(), actor)];
  const day = "2026-11-19";
  const onLeft = left.record({ kind: "hours", day, [`party/${one.party}`]: 20 });
  const onRight = right.record({ kind: new ImmutableString("hours"), day, [`party/${one.party}`]: 25, note: "gate" });
  assert.equal(left.register, right.register, "both count in one register");
  left.count(pick, "bags", 1);
  right.edit(pick, (fields, doc) => {
    Automerge.splice(doc, [pick, "note"], 0, 3, "The");
    fields[`tally/bags#${right.register}`] += 1;
  });
  right.edit(hours, (fields) => {
    delete fields.weather;
    fields[`tally/paper.leaflets#${one.register}`].increment(1);
  });
  await left.sync();
  const report = await right.sync();
  assert.deepEqual([report.refused, report.reloads, report.accepted], [3, 1, 3], "one reload recovers");
  assert.notEqual(left.register, right.register, "from now on each counts in one of its own");
  for (const phone of [left, right]) phone.count(pick, "bags", 1);
  for (const phone of [left, right, left, one]) await phone.sync();
  await agree("after a fork", left, right, one);
  const read = reading(one);
  assert.deepEqual(read[onRight].note, ["gate"]);
  assert.deepEqual(read[pick].note, ["The canal path, both sides"]);
  const seen = new Map((await views(one)).map((view) => [view.id, view]));
  assert.deepEqual(counts(seen.get(pick)), { "smoking.butts": 57, bags: 7 }, "nothing is counted over");
  assert.deepEqual(counts(seen.get(hours)), { "paper.leaflets": 11 });
  assert.equal(read[hours].weather, undefined);
  return { left, right, ids: { onLeft, onRight } };
}

/** The ledger shows each activity's minutes once; where phones disagree, what was approved stands. */
async function ledger(one, ids) {
  await judged(one);
  const wanted = new Map([
    [ids.pick, 90], [ids.repair, 45], [ids.street, 30], [ids.hours, 60], [ids.elsewhere, 15], [ids.old, 10],
    [ids.onLeft, 20], [ids.onRight, 25],
  ]);
  const lines = await one.session.list(`/v1/accounts/${one.party}/statement?`);
  const posted = new Map(lines.map((line) => [line.activity_id, line.minutes]));
  assert.equal(lines.length, posted.size, "each activity is posted once");
  assert.deepEqual([...posted].sort(), [...wanted].sort());
  assert.equal(one.verdicts.get(ids.street).review, "edited_after_approval");
  const minutes = [...wanted.values()].reduce((sum, each) => sum + each, 0);
  const account = await one.session.get(`/v1/accounts/${one.party}`);
  assert.equal(account.contribution_minutes, minutes);
  return minutes;
}

const { one, two, ids } = await begin();
const copy = one.stored(); // as a backup of the phone keeps it
await disagree(one, two, ids);

const blank = await further(one, "Asha's new phone");
await blank.sync();
await agree("a blank device", one, two, blank);

two.restart(copy);
ids.old = two.record({ kind: "hours", day: "2026-11-18", [`party/${two.party}`]: 10 });
const report = await two.sync();
assert.deepEqual([report.accepted, report.refused, report.restarts], [1, 0, 0], "an old copy goes on");
for (const phone of [one, blank]) await phone.sync();
await agree("a phone from an old copy", one, two, blank);

const forked = await fork(one, ids);
Object.assign(ids, forked.ids);

// A token that is not good any more and a nonce of yesterday are renewed on the way.
two.session.accessToken = `${two.session.accessToken.slice(0, -4)}AAAA`;
two.session.nonce = "stale";
for (const phone of [two, blank]) await phone.sync();
await agree("in the end", one, two, blank, forked.left, forked.right);

const minutes = await ledger(one, ids);
const agreed = { heads: heads(one), activities: reading(one), minutes };
console.log(JSON.stringify({ party: one.party, daybook: one.own, ...agreed }));
