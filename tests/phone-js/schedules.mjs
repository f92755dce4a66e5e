// Random schedules of one resident's programs that are copied, restored, refused and cut off; with stock Automerge
// for JavaScript, against a running server:
//
//     node schedules.mjs --url http://127.0.0.1:8080 --invitation dbi_… --seed 7 [--steps 40]
//
// Prints what was reached as one line of JSON. Where something is lost, counted twice or silent it throws.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import * as Automerge from "@automerge/automerge";

import { hex, random } from "./bytes.mjs";
import { Phone } from "./phone.mjs";
import { counts, readDocument, readViews } from "./reading.mjs";

const options = {
  url: { type: "string" },
  invitation: { type: "string" },
  seed: { type: "string", default: "1" },
  steps: { type: "string", default: "40" },
};
const { url, invitation, seed, steps } = parseArgs({ options }).values;
const PROGRAMS = 3;
const ROUNDS = 4;
const MINUTES = 10;
const FIELDS = ["weather", "mood"]; // unknown to the server: they have nothing to do with review
/** The first number of a deed: nothing else that is written is as great. */
const FIRST = 1_000_000;
/** Deeper than any server takes. */
const TOO_DEEP = 33;

/** A small generator (mulberry32): the next number below the bound. */
let state = Number(seed) >>> 0;
function below(bound) {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
}
const pick = (items) => items[below(items.length)];

/** After how many more requests one is lost, or its answer. */
let fate = null;
const stock = globalThis.fetch;
globalThis.fetch = async (...request) => {
  if (fate !== null && fate.after === 0 && !fate.arrives) throw cut();
  const response = await stock(...request);
  if (fate !== null && fate.after === 0) throw cut();
  if (fate !== null) fate.after -= 1;
  return response;
};
class Lost extends Error {}
function cut() {
  fate = null;
  return new Lost("lost on the way");
}

const reached = {};
const story = [];
function told(what, more = "") {
  reached[what] = (reached[what] ?? 0) + 1;
  story.push(`${what} ${more}`);
}

/** What was written, by a number that is written nowhere else. */
const deeds = new Map();
const activities = [];
const nextNumber = () => FIRST + deeds.size;
const mark = (number) => `mark/${number}`;
const token = (number) => `[${number}]`;

async function enrol() {
  const first = await Phone.create("Asha's program 0", url);
  first.goOnline();
  await first.enrol(invitation);
  const programs = [first];
  while (programs.length < PROGRAMS) {
    const phone = await Phone.create(`Asha's program ${programs.length}`, url);
    const body = { id: crypto.randomUUID(), party_id: first.party };
    const { token: invited } = await first.session.post("/v1/invitations", body);
    phone.goOnline();
    await phone.enrol(invited);
    phone.books.clear();
    phone.own = first.own;
    phone.book();
    programs.push(phone);
  }
  return programs;
}

/** One of the activities that a program has, mostly of the same few. */
function known(phone) {
  const there = activities.filter((id) => phone.book().doc[id] !== undefined);
  return below(10) < 7 ? pick(there.slice(0, 2)) : pick(there);
}

/** What a program shows under a key, all of it. */
function shown(doc, id, key) {
  const map = doc[id];
  const all = [map?.[key], ...Object.values(Automerge.getConflicts(map, key) ?? {})];
  return [...new Set(all.filter((value) => typeof value === "number"))].sort();
}

function record(phone, at) {
  const number = nextNumber();
  const fields = { kind: "hours", day: "2026-11-20", note: "", [`party/${resident}`]: MINUTES, [mark(number)]: number };
  const id = phone.record(fields);
  activities.push(id);
  deeds.set(number, { id, what: "recorded" });
  told("record", `program ${at}: ${id} ${number}`);
}

function edit(phone, at, id, refused) {
  const [number, key] = [nextNumber(), pick(FIELDS)];
  const over = shown(phone.book().doc, id, key);
  phone.edit(id, (fields) => {
    if (refused) fields.inner = Array.from({ length: TOO_DEEP }).reduce((inner) => ({ inner }), {});
    fields[key] = number;
  });
  deeds.set(number, { id, what: "put", key, over });
  told(refused ? "refuse" : "edit", `program ${at}: ${id} ${key} ${number} over ${over}`);
}

function count(phone, at, id) {
  const [number, more] = [nextNumber(), pick([1, 1, 2, 5])];
  const key = `tally/bags#${phone.register}`;
  phone.edit(id, (fields) => {
    fields[key] = (fields[key] ?? 0) + more;
    fields[mark(number)] = number;
  });
  deeds.set(number, { id, what: "counted", more });
  told("count", `program ${at}: ${id} ${number}, ${more} in ${phone.register}`);
}

function note(phone, at, id) {
  const number = nextNumber();
  phone.edit(id, (fields, doc) => {
    Automerge.splice(doc, [id, "note"], fields.note.length, 0, token(number));
    fields[mark(number)] = number;
  });
  deeds.set(number, { id, what: "noted" });
  told("note", `program ${at}: ${id} ${number}`);
}

async function sync(phone, at) {
  if (below(100) < 35) fate = { after: below(4), arrives: below(3) > 0 };
  try {
    const report = await phone.sync();
    for (const what of ["refused", "reloads"]) if (report[what] > 0) told(what);
    told("sync", `program ${at}: ${JSON.stringify(report)}`);
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
    told("lost", `program ${at}`);
  }
  fate = null;
}

const storage = (phone) => ({
  stored: phone.stored(),
  actor: Automerge.getActorId(phone.book().doc),
  register: phone.register,
});

/** Goes on with this storage, and under the same actor. */
function startFrom(phone, { stored, actor, register }) {
  phone.restart(stored, actor);
  phone.register = register;
}

async function step(programs, copies) {
  const at = below(programs.length);
  const phone = programs[at];
  const dice = below(100);
  if (dice < 12 || activities.length === 0) return record(phone, at);
  const id = known(phone);
  if (dice < 48 && id !== undefined) {
    if (dice < 28) return edit(phone, at, id, false);
    return dice < 39 ? count(phone, at, id) : note(phone, at, id);
  }
  if (dice < 70) return sync(phone, at);
  if (dice < 76) {
    copies[at] = storage(phone);
    return told("copy", `program ${at}`);
  }
  if (dice < 83) {
    const other = (at + 1 + below(programs.length - 1)) % programs.length;
    startFrom(programs[other], storage(phone));
    return told("clone", `program ${at} to ${other}`);
  }
  if (dice < 90 && copies[at] !== undefined) {
    if (below(100) < 70) phone.restart(copies[at].stored);
    else startFrom(phone, copies[at]);
    return told("restore", `program ${at}`);
  }
  if (dice < 93) {
    phone.restart();
    return told("restart", `program ${at}`);
  }
  if (id !== undefined) edit(phone, at, id, true);
}

async function download(phone) {
  const response = await phone.session.call("GET", `/v1/daybooks/${phone.own}`);
  return Automerge.loadIncremental(Automerge.init(), new Uint8Array(await response.arrayBuffer()));
}

const heads = (doc) => Automerge.getHeads(doc).sort();

async function settle(programs) {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const phone of programs) {
      const { refused, held, reloads } = await phone.sync();
      if (round === ROUNDS - 1) assert.deepEqual([refused, held, reloads], [0, 0, 0], "at rest");
    }
  }
  const server = await download(programs[0]);
  for (const phone of programs) assert.deepEqual(heads(phone.book().doc), heads(server), "heads");
  return server;
}

/** The numbers of deeds that anybody still has. */
async function knownNumbers(programs) {
  const docs = [await download(programs[0]), ...programs.map((phone) => phone.book().doc)];
  const operations = docs.flatMap((doc) => Automerge.getAllChanges(doc).flatMap((raw) => Automerge.decodeChange(raw).ops));
  return new Set(operations.map(({ value }) => value).filter((value) => Number.isInteger(value) && value >= FIRST));
}

async function nothingLost(programs, numbers, server) {
  const views = await programs[0].session.list(`/v1/activities?daybook_id=${programs[0].own}`);
  const read = readDocument(server);
  assert.deepEqual(readViews(views), read, "the server reads its document as JavaScript does");
  const there = [...deeds].filter(([number]) => numbers.has(number));
  const over = new Set(there.flatMap(([, deed]) => deed.over ?? []));
  const bags = new Map();
  for (const [number, { id, what, more }] of there) {
    if (what === "put") continue;
    assert.deepEqual(read[id]?.[mark(number)], [number], `${number} is lost`);
    if (what === "counted") bags.set(id, (bags.get(id) ?? 0) + more);
    if (what === "noted") assert.equal(read[id].note.join().split(token(number)).length, 2, `${number} in ${read[id].note}`);
  }
  for (const view of views) {
    for (const key of FIELDS) {
      const wanted = there.filter(([number, deed]) => deed.id === view.id && deed.key === key && !over.has(number));
      assert.deepEqual(shown(server, view.id, key), wanted.map(([number]) => number).sort(), `${view.id} ${key}`);
    }
    assert.deepEqual(counts(view).bags ?? 0, bags.get(view.id) ?? 0, `bags of ${view.id}`);
  }
}

/** The next record of every program arrives with its next sync. */
async function nobodySilent(programs) {
  for (const phone of programs) {
    const id = phone.record({ kind: "hours", day: "2026-11-21", [`party/${resident}`]: MINUTES });
    const { held } = await phone.sync();
    assert.equal(held, 0);
    assert.equal((await phone.session.get(`/v1/activities/${id}`)).day, "2026-11-21");
  }
  await settle(programs);
}

const programs = await enrol();
const resident = programs[0].party;
try {
  const copies = [];
  for (let done = 0; done < Number(steps); done += 1) await step(programs, copies);
  const numbers = await knownNumbers(programs);
  const server = await settle(programs);
  await nothingLost(programs, numbers, server);
  await nobodySilent(programs);
} catch (error) {
  console.error(`${story.slice(-80).join("\n")}\n--seed ${seed}`);
  throw error;
}
console.log(JSON.stringify(reached));
