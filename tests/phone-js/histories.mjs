// Random histories of a daybook on several phones, as stock Automerge for JavaScript writes them:
//
//     node histories.mjs --seed 7 [--histories 1] [--steps 60]
//
// Prints each change of their merge as one line of base64url, then the heads as one line of JSON; then the
// history of the next seed. The same seed prints the same.

import { parseArgs } from "node:util";

import * as Automerge from "@automerge/automerge";

import { base64url } from "./bytes.mjs";

const { Counter, Float64, ImmutableString, Int, Uint } = Automerge;
const options = {
  seed: { type: "string", default: "0" },
  histories: { type: "string", default: "1" },
  steps: { type: "string", default: "60" },
};
const { seed, histories, steps } = parseArgs({ options }).values;

/** A small generator (mulberry32): the next number below the bound. */
let state = 0;
function below(bound) {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
}
const pick = (items) => items[below(items.length)];
const oneIn = (bound) => below(bound) === 0;

const ACTIVITY = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b0";
const ROOT_KEYS = [`${ACTIVITY}1`, `${ACTIVITY}2`, `${ACTIVITY}3`, `${ACTIVITY}3`.toUpperCase(), "settings"];
const FIELDS = [
  "kind", "day", "note", "people", "party/0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b11", "tally/bags#a", "tally/bags#b",
  "started_at", "person_minutes", "place.lat", "grade.before", "withdrawn", "part_of", "weather",
  `photo/${"0".repeat(64)}`,
];
const FIELDS_OFTEN = 7;

const TEXTS = ["", "a", "litter_pick", "2026-11-21", "A", "swept the alley", "schön 👪 \u{301}"];
const TOO_LONG = "x".repeat(2001); // of a note; as Text that many operations, so rarely
const WAYS_TO_WRITE = [
  () => below(6),
  () => -below(3),
  () => pick([0.5, -0, 1e300, NaN, Infinity, 2 ** 53, 52.456]),
  () => new Int(below(6) - 2),
  () => new Uint(below(6)),
  () => new Float64(below(4)),
  () => new Counter(below(5)),
  () => new Date(below(4) * 86_400_000),
  () => pick(TEXTS),
  () => (oneIn(60) ? TOO_LONG : pick(TEXTS)),
  () => new ImmutableString(pick(TEXTS)),
  () => new ImmutableString(oneIn(8) ? TOO_LONG : pick(TEXTS)),
  () => pick([true, false, null]),
  () => new Uint8Array(below(4)),
  () => [below(3), pick(TEXTS)],
  () => ({ value: below(3), inner: { list: [pick(TEXTS)] } }),
];
const anything = () => pick(WAYS_TO_WRITE)();
const field = () => FIELDS[below(oneIn(4) ? FIELDS.length : FIELDS_OFTEN)];

function entry() {
  const fields = oneIn(4) ? {} : { kind: pick(["hours", new ImmutableString("repair")]), day: "2026-11-21" };
  for (let more = below(4); more > 0; more -= 1) fields[field()] = anything();
  return fields;
}

/** Something in a map or list: writes, deletes, counts, edits text, or goes deeper. */
function actIn(doc, path, container) {
  const key = Array.isArray(container) ? below(container.length + 1) : field();
  const value = container[key];
  if (value instanceof Counter) return pick([(by) => value.increment(by), (by) => value.decrement(by)])(below(9));
  if (typeof value === "string" && !oneIn(3)) return actInText(doc, [...path, key], value);
  if (value !== null && typeof value === "object" && !(value instanceof Date) && !oneIn(3)) {
    const deeper = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
    if (deeper) return actIn(doc, [...path, key], value);
  }
  if (oneIn(6)) {
    if (Array.isArray(container)) return container.splice(key, 1);
    return delete container[key];
  }
  container[key] = anything();
}

function actInText(doc, path, text) {
  const at = below(text.length + 1);
  switch (below(6)) {
    case 0:
      return Automerge.updateText(doc, path, pick(TEXTS));
    case 1:
      return Automerge.mark(doc, path, { start: 0, end: text.length, expand: "both" }, "bold", true);
    case 2:
      return Automerge.splitBlock(doc, path, at, { type: new ImmutableString("paragraph") });
    default:
      return Automerge.splice(doc, path, at, below(text.length - at + 1), pick(TEXTS));
  }
}

function act(doc) {
  const id = ROOT_KEYS[below(oneIn(8) ? ROOT_KEYS.length : 2)];
  const there = doc[id];
  if (there === undefined || there === null || typeof there !== "object" || oneIn(20)) {
    doc[id] = oneIn(12) ? anything() : entry(); // also over a map that is there: a habit in JavaScript
  } else if (oneIn(30)) {
    delete doc[id];
  } else {
    actIn(doc, [id], there);
  }
}

/** One change of some actions. What the library refuses is left out, and the rest stays. */
function live(doc) {
  const actions = 1 + below(4);
  for (let done = 0; done < actions; done += 1) {
    try {
      act(doc);
    } catch (error) {
      // A counter cannot be overwritten, a half of a pair of UTF-16 not be deleted: an app learns so at once.
      if (error instanceof WebAssembly.RuntimeError || error?.name === "PanicError") throw error;
    }
  }
}

const now = () => ({ time: below(1000) });

let started = 0;
function freshActor() {
  started += 1;
  const bytes = [started, 0, ...Array.from({ length: 14 }, () => below(256))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The app starts again, from what its storage holds. */
const restart = (bytes) => Automerge.load(bytes, { actor: freshActor() });

/** Writes as of an older version, under an actor that the library derives. */
function writeInThePast(doc) {
  const hashes = Automerge.getChangesMetaSince(doc, []).map(({ hash }) => hash);
  if (hashes.length === 0) return doc;
  const bytes = Automerge.save(doc);
  try {
    return Automerge.changeAt(doc, [pick(hashes)], now(), live).newDoc;
  } catch (error) {
    // The library loses its way on some objects ("invalid obj id"), and the document with it.
    if (typeof error !== "string") throw error;
    return restart(bytes);
  }
}

function step(replicas, at) {
  const doc = replicas[at];
  const other = replicas[(at + 1 + below(replicas.length - 1)) % replicas.length];
  const past = at % 2 === 1; // these write as of older versions, the others say so when they merge
  switch (below(12)) {
    case 0:
    case 1:
      return Automerge.merge(doc, other);
    case 2:
      return past ? doc : Automerge.emptyChange(Automerge.merge(doc, other), now());
    case 3:
      return past ? writeInThePast(doc) : doc;
    case 4:
      return oneIn(3) ? restart(Automerge.save(doc)) : doc;
    default:
      return Automerge.change(doc, now(), live);
  }
}

function history() {
  const replicas = Array.from({ length: 2 + below(4) }, () => Automerge.init({ actor: freshActor() }));
  for (let done = 0; done < Number(steps); done += 1) {
    const at = below(replicas.length);
    replicas[at] = step(replicas, at);
  }
  const merged = replicas.reduce((all, replica) => Automerge.merge(all, replica), Automerge.init({ actor: "ff" }));
  return { changes: Automerge.getAllChanges(merged), heads: Automerge.getHeads(merged) };
}

for (let at = 0; at < Number(histories); at += 1) {
  state = (Number(seed) + at) >>> 0;
  started = 0;
  const { changes, heads } = history();
  for (const bytes of changes) console.log(base64url(bytes));
  console.log(JSON.stringify(heads));
}
