// Runs all vectors of this folder, with stock Automerge for JavaScript and no server:
//
//     npm install && node run.mjs
//
// It is a client in one file: it takes changes apart, reads activities from them, judges changes before they are
// sent, follows cursors and reloads. Nothing here is needed to use Daybook from JavaScript (Automerge merges by
// itself); it shows in some hundred lines what an app in any language has to get right.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import * as Automerge from "@automerge/automerge";

const { Counter, ImmutableString } = Automerge;
const fromBase64url = (text) => new Uint8Array(Buffer.from(text, "base64url"));
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const vectors = (file) => JSON.parse(readFileSync(new URL(`${file}.json`, import.meta.url), "utf8"));
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const sorted = (object, compare = byBytes) =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => compare(a, b)));

// ── Chunks ──────────────────────────────────────────────────────────────────────────────────────────────────

const MAGIC = Buffer.from("856f4a83", "hex");
const [CHANGE, DEFLATED] = [1, 2];

function leb128(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

/** The chunks of an entry; what is no chunk is one piece to its end. */
function* chunks(entry) {
  for (let rest = Buffer.from(entry); rest.length > 0; ) {
    let [length, at] = [0, 9];
    for (let shift = 0; at < rest.length; shift += 7, at += 1) {
      length += (rest[at] % 128) * 2 ** shift;
      if (rest[at] < 128) break;
    }
    const end = at + 1 + length;
    const whole = rest.subarray(0, 4).equals(MAGIC) && rest.length > 9 && end <= rest.length;
    yield whole ? rest.subarray(0, end) : rest;
    rest = rest.subarray(whole ? end : rest.length);
  }
}

/** A change taken apart, with the code of the refusal where it cannot be one; and the hash that it goes by. */
function open(chunk) {
  const refused = (code) => ({ hash: hex(sha256(chunk)), code });
  const isChunk = chunk.subarray(0, 4).equals(MAGIC) && [...chunks(chunk)][0].length === chunk.length;
  if (!isChunk || chunk.length < 10) return refused("unreadable");
  if (chunk[8] !== CHANGE && chunk[8] !== DEFLATED) return refused("chunk_type");
  let change;
  try {
    change = Automerge.decodeChange(chunk);
  } catch {
    return refused("unreadable");
  }
  change.bytes = new Uint8Array(chunk);
  const own = chunk[8] === CHANGE ? body(chunk) : null;
  if (own) assert.equal(change.hash, hex(sha256(Buffer.of(CHANGE), leb128(own.length), own)), "the hash is of the body");
  if (change.hash.slice(0, 8) !== hex(chunk.subarray(4, 8))) return refused("unreadable"); // the checksum begins it
  return change;
}

function body(chunk) {
  let at = 9;
  while (chunk[at] >= 128) at += 1;
  return chunk.subarray(at + 1);
}

/** The operations of a change, each with its id. */
const operations = ({ ops, startOp, actor }) => ops.map((op, at) => ({ ...op, id: `${startOp + at}@${actor}` }));

/** Orders ids of operations: by counter, then by actor. */
function byId(a, b) {
  const [[x, p], [y, q]] = [a, b].map((id) => id.split("@"));
  return Number(x) - Number(y) || (p < q ? -1 : Number(p > q));
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const VALUES_MAX = 64;
const CHARACTERS_MAX = 2_000;
const WHOLE_MAX = 2 ** 53;
const INSTANT_MAX = 8.64e15;

class Unreadable extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}
const check = (good, reason) => {
  if (!good) throw new Unreadable(reason);
};
const characters = (text) => [...text].length;

/** What a field wants: raw is {type, value}; the result goes into JSON as {<kind>: value}. */
const text = (fits = () => true) => ({ type, value }) => {
  check(type === "text", "wrong_type");
  check(characters(value) <= CHARACTERS_MAX && !value.includes("\0") && fits(value), "out_of_range");
  return { text: value };
};
const whole = ({ type, value }) => {
  check(type === "integer" || (type === "float" && !Number.isNaN(value)), "wrong_type");
  check(Number.isFinite(value), "out_of_range");
  check(Number.isInteger(value), "wrong_type");
  check(type === "integer" || Math.abs(value) <= WHOLE_MAX, "out_of_range");
  return value;
};
const within = (value, min, max) => check(value >= min && value <= max, "out_of_range");
const integer = (min, max) => (raw) => {
  const value = whole(raw);
  within(value, min, max);
  return { integer: value + 0 };
};
const number = (min, max) => (raw) => {
  const value = raw.type === "float" ? raw.value : whole(raw);
  within(value, min, max); // NaN is in no range
  return { number: value + 0 };
};
const instant = (raw) => {
  const value = raw.type === "instant" ? raw.value : whole(raw);
  within(value, -INSTANT_MAX, INSTANT_MAX);
  return { instant: value };
};
const activity = ({ type, value }) => {
  check(type === "text", "wrong_type");
  check(UUID.test(value.toLowerCase()), "out_of_range");
  return { text: value.toLowerCase() };
};
const flag = ({ type, value }) => {
  check(type === "boolean", "wrong_type");
  return { boolean: value };
};

function isDay(day) {
  const at = new Date(`${day}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day);
}
const oneOf = (...words) => text((word) => words.includes(word));

const FIELDS = {
  kind: text(), day: text(isDay), started_at: instant, minutes_source: text(), phase: oneOf("planning", "delivery"),
  note: text(), programme: text(), action: text(), place_id: text(), part_of: activity, confirms: activity,
  people: integer(0, 1e6), person_minutes: integer(0, 1440e6), withdrawn: flag,
  "place.lat": number(-90, 90), "place.lon": number(-180, 180), "place.accuracy_m": number(0, Number.MAX_VALUE),
  "grade.before": oneOf("A", "B", "C", "D"), "grade.after": oneOf("A", "B", "C", "D"),
  "repair.category_id": integer(0, 2 ** 31 - 1), "repair.year": integer(0, 9_999), "repair.age_years": number(0, 10_000),
};
const TEXTS = [
  "repair.product", "repair.category", "repair.brand", "repair.status", "repair.barrier", "repair.problem",
  "street.service_code", "street.fixes_request", "source.provider", "source.id", "source.country", "source.group",
];
for (const key of TEXTS) FIELDS[key] = text();
const LEDGER = [
  "kind", "day", "started_at", "people", "person_minutes", "phase", "programme", "part_of", "confirms", "withdrawn",
];
const INERT = ["minutes_source", "note"];

function tally(key) {
  const [, item, register] = /^tally\/([^#]*)#(.*)$/s.exec(key) ?? [];
  if (item === undefined || register === "" || characters(register) > 100) return false;
  if (item === "bags" || item === "weight_g") return true;
  return /^[\w-]+\.[\w-]+(\.[\w-]+)?(:seen)?$/.test(item) && characters(item.replace(/:seen$/, "")) <= 100;
}

/** How a key is read, and what it matters to. */
function field(key) {
  if (Object.hasOwn(FIELDS, key)) {
    const matters = LEDGER.includes(key) ? "ledger" : INERT.includes(key) ? "inert" : "report";
    return { read: FIELDS[key], matters };
  }
  const [, party, organisation] = /^party\/([^@]*)(?:@(.*))?$/s.exec(key) ?? [];
  if (party && UUID.test(party) && (organisation === undefined || UUID.test(organisation))) {
    return { read: integer(0, 1_440), matters: "ledger" };
  }
  if (tally(key)) return { read: integer(0, 1e9), matters: "report" };
  if (/^photo\/[0-9a-f]{64}$/.test(key)) return { read: instant, matters: "inert" };
  return { matters: "inert" };
}

/** An unknown field as it is: bytes in base64url, instants in RFC 3339. */
function plain({ type, value }) {
  if (type === "instant") return rfc3339(value);
  if (type === "bytes") return base64url(value);
  if (type === "float" && !Number.isFinite(value)) return { NaN: "NaN", Infinity: "inf", "-Infinity": "-inf" }[value];
  return value;
}
const rfc3339 = (ms) => new Date(ms).toISOString();

function readValue(key, raw) {
  check(raw.type !== "nested", "nested");
  const long = raw.type === "text" ? characters(raw.value) : raw.type === "bytes" ? raw.value.length : 0;
  check(long <= CHARACTERS_MAX, "out_of_range");
  const { read } = field(key);
  if (!read) return { unknown: plain(raw) };
  return raw.type === "null" ? null : read(raw);
}

/** A field from its visible operations: one value, several, or why it cannot be read; null where none is written. */
function readField(key, values) {
  if (values.length > VALUES_MAX) return { unreadable: "too_many_values" };
  const all = [...values].sort((a, b) => byId(b.id, a.id)).map(total);
  const counters = values.filter(({ raw }) => raw.type === "counter");
  if (counters.length > 1) {
    const shared = new Map(counters.flatMap(({ shared }) => [...shared]));
    const starts = counters.map(({ raw }) => raw.value);
    const sum = [...starts, ...shared.values()].reduce((a, b) => a + b, 0);
    all.unshift({ type: "integer", value: sum });
  }
  const distinct = new Map();
  try {
    for (const raw of all) {
      const value = readValue(key, raw);
      if (value !== null) distinct.set(canonical(value), distinct.get(canonical(value)) ?? value);
    }
  } catch (error) {
    if (error instanceof Unreadable) return { unreadable: error.reason };
    throw error;
  }
  const found = [...distinct.values()];
  if (found.length === 0) return null;
  return found.length === 1 ? { one: found[0] } : { several: found };
}

/** A counter with the increments that it shares with others; everything else as it is. */
function total({ raw, shared }) {
  if (raw.type !== "counter") return raw;
  return { type: "integer", value: [...shared.values()].reduce((a, b) => a + b, raw.value) };
}

/** What stock Automerge decodes of a scalar. */
function scalar({ value, datatype }) {
  if (value === null) return { type: "null", value };
  if (typeof value === "boolean") return { type: "boolean", value };
  if (typeof value === "string") return { type: "text", value };
  if (typeof value === "object") return { type: "bytes", value: Uint8Array.from(value) };
  const type = { counter: "counter", timestamp: "instant", float64: "float" }[datatype] ?? "integer";
  return { type, value: Number(value) };
}

/** A daybook: takes changes in causal order, and reads every activity from their operations. */
class Reader {
  /** Of each activity: what is visible in the root, the maps that deletions named, all maps by id. */
  activities = new Map();
  texts = new Map();

  take(change) {
    for (const op of operations(change)) {
      if (op.action === "makeText") this.texts.set(op.id, new Letters());
      if (op.obj === "_root") this.#root(op);
      else if (this.texts.has(op.obj)) this.texts.get(op.obj).take(op);
      else this.#field(op);
    }
  }

  #root(op) {
    if (!UUID.test(op.key)) return;
    if (!this.activities.has(op.key)) this.activities.set(op.key, { slot: [], deleted: new Set(), maps: new Map() });
    const state = this.activities.get(op.key);
    const named = ({ id }) => op.pred.includes(id);
    if (op.action === "inc") {
      state.slot = state.slot.filter((value) => value.counter || !named(value));
      return;
    }
    state.slot = state.slot.filter((value) => !named(value));
    if (op.action === "del") {
      for (const id of op.pred) if (state.maps.has(id)) state.deleted.add(id);
      return;
    }
    if (op.action === "makeMap") state.maps.set(op.id, new Map());
    state.slot.push({ id: op.id, counter: op.datatype === "counter" });
  }

  #field(op) {
    const map = [...this.activities.values()].map(({ maps }) => maps.get(op.obj)).find(Boolean);
    if (!map) return; // deeper than an activity's fields
    const values = map.get(op.key) ?? [];
    const named = ({ id }) => op.pred.includes(id);
    if (op.action === "inc") {
      const left = values.filter((value) => !named(value) || value.raw.type === "counter");
      const together = left.filter(named);
      for (const value of together) {
        if (together.length > 1) value.shared.set(op.id, op.value);
        else value.raw = { ...value.raw, value: value.raw.value + op.value };
      }
      map.set(op.key, left);
      return;
    }
    const left = values.filter((value) => !named(value));
    if (op.action === "set") left.push({ id: op.id, raw: scalar(op), shared: new Map() });
    else if (op.action === "makeText") left.push({ id: op.id, raw: { type: "text of", value: op.id }, shared: new Map() });
    else if (op.action.startsWith("make")) left.push({ id: op.id, raw: { type: "nested" }, shared: new Map() });
    map.set(op.key, left);
  }

  /** All activities, by id. */
  read() {
    return sorted(Object.fromEntries([...this.activities].map(([id, state]) => [id, this.#activity(state)])));
  }

  #activity({ slot, deleted, maps }) {
    const gone = slot.length === 0;
    const visible = gone ? [...deleted] : slot.map(({ id }) => id).filter((id) => maps.has(id));
    if (!gone && visible.length === 0) return { fields: {}, deleted: false, unreadable: "not_a_map" };
    const written = new Map();
    for (const id of visible) {
      for (const [key, values] of maps.get(id)) written.set(key, [...(written.get(key) ?? []), ...values]);
    }
    const fields = {};
    for (const [key, values] of written) {
      const read = readField(key, values.map((value) => this.#withText(value)));
      if (read) fields[key] = read;
    }
    return { fields: sorted(fields), deleted: gone, unreadable: missing(fields) };
  }

  #withText(value) {
    if (value.raw.type !== "text of") return value;
    return { ...value, raw: { type: "text", value: this.texts.get(value.raw.value).text() } };
  }
}

/** A text: each letter stands after another one; of several after the same, the one written last comes first. */
class Letters {
  after = new Map([["_head", []]]);
  values = new Map();
  gone = new Set();

  take(op) {
    for (const id of op.pred) this.gone.add(id);
    if (!op.insert) return;
    this.after.get(op.elemId).push(op.id);
    this.after.set(op.id, []);
    this.values.set(op.id, typeof op.value === "string" ? op.value : "\ufffc");
  }

  text() {
    let text = "";
    const waiting = ["_head"];
    while (waiting.length > 0) {
      const id = waiting.pop();
      if (id !== "_head" && !this.gone.has(id)) text += this.values.get(id);
      waiting.push(...[...this.after.get(id)].sort(byId));
    }
    return text;
  }
}

/** Why the fields make no activity, if they do not: kind and day alone make one. */
function missing({ kind, day, started_at: started }) {
  const first = (field) => field?.one ?? field?.several?.[0];
  if (!["litter_pick", "repair", "street_fix", "hours"].includes(first(kind)?.text)) return "kind_missing";
  if (day) return day.unreadable ?? null;
  return first(started) ? null : "day_missing";
}

/** JSON without spaces, keys sorted by their bytes; `number` always with a point or an exponent. */
function canonical(value, isNumber = false) {
  if (isNumber) return float(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join()}]`;
  if (value === null || typeof value !== "object") {
    return typeof value === "number" && !Number.isInteger(value) ? float(value) : JSON.stringify(value);
  }
  const members = Object.entries(value).sort(([a], [b]) => byBytes(a, b));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item, key === "number" && typeof item === "number")}`).join()}}`;
}

/** Shortest digits, as most languages write them; beyond 1e16 and below 1e-5 with an exponent. */
function float(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-5)) return value.toExponential().replace("e+", "e");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** What phones disagree about: `hard` where it matters. */
function conflict(fields) {
  const disputed = Object.keys(fields).filter((key) => fields[key].several);
  if (disputed.length === 0) return "none";
  return disputed.some((key) => field(key).matters !== "inert") ? "hard" : "soft";
}

/** A value as the API shows it. */
function shown(value) {
  const [[kind, inner]] = Object.entries(value);
  return kind === "instant" ? rfc3339(inner) : inner;
}

const showField = ({ one, several, unreadable }) =>
  unreadable ? { unreadable } : several ? { several: several.map(shown) } : { one: shown(one) };

const showFields = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, showField(value)]));

function runReading({ changes, heads, activities }) {
  const all = changes.map((text) => open(Buffer.from(fromBase64url(text))));
  const reader = new Reader();
  for (const change of all) {
    assert.equal(change.code, undefined);
    reader.take(change);
  }
  const doc = Automerge.loadIncremental(Automerge.init(), Buffer.concat(all.map(({ bytes }) => bytes)));
  assert.deepEqual(Automerge.getHeads(doc).sort(), heads, "heads");
  const read = Object.entries(reader.read()).map(([id, reading]) => {
    const text = canonical(reading);
    const { deleted, unreadable } = reading;
    const told = { fields: showFields(reading.fields), deleted, unreadable, conflict: conflict(reading.fields) };
    return [id, { ...told, canonical: text, hash: hex(sha256(text)) }];
  });
  assert.deepEqual(Object.fromEntries(read), activities);
}

// ── Outcomes ────────────────────────────────────────────────────────────────────────────────────────────────

const ACTOR_BYTES_MAX = 64;
const DEPTH_MAX = 32;
const COUNTER_END = 2 ** 31;
const CONTAINERS = { makeMap: "keys", makeTable: "table", makeList: "elements", makeText: "elements" };

/** What a change must be wherever it arrives. */
function alone({ code, actor, deps, seq, startOp, ops }) {
  if (code) return code;
  if (actor.length / 2 > ACTOR_BYTES_MAX) return "actor_too_long";
  if (startOp + Math.max(ops.length, 1) > COUNTER_END) return "counter_too_large";
  if (deps.some((dep, at) => at > 0 && dep <= deps[at - 1])) return "not_canonical";
  return seq === 0 ? "seq_gap" : null;
}

/** A daybook as the server keeps it: says of every change what becomes of it. */
class Door {
  #known = new Map();
  #refused = new Map();
  #held = new Map();
  #actors = new Map();
  #operations = new Map();
  #greatest = 0;
  accepted = [];
  heads = [];

  push(entries) {
    const outcomes = entries.flatMap((entry) => [...chunks(fromBase64url(entry))]).map((chunk) => {
      const change = open(chunk);
      const outcome = this.#take(change);
      if (outcome.outcome === "accepted" || outcome.outcome === "refused") this.#complete();
      return outcome;
    });
    // What was held and found what it waits for later in the same request.
    return outcomes.map((told) => {
      if (told.outcome !== "held" || this.#held.has(told.hash)) return told;
      const code = this.#refused.get(told.hash);
      return code ? { ...told, outcome: "refused", code } : { hash: told.hash, outcome: "accepted" };
    });
  }

  /** Looks at what is held until nothing moves. */
  #complete() {
    for (let moved = true; moved; ) {
      const outcomes = [...this.#held.values()].map((change) => this.#take(change));
      moved = outcomes.some(({ outcome }) => outcome !== "held");
    }
  }

  #take(change) {
    const { hash } = change;
    if (this.#known.has(hash)) return { hash, outcome: "duplicate" };
    const { refused, held } = this.#judge(change);
    this.#held.delete(hash);
    if (held) this.#held.set(hash, change);
    if (refused) this.#refused.set(hash, refused);
    if (held ?? refused) return { hash, outcome: held ? "held" : "refused", code: held ?? refused };
    this.#accept(change);
    return { hash, outcome: "accepted" };
  }

  #judge(change) {
    const { hash, actor, seq, deps, startOp, ops } = change;
    const code = this.#refused.get(hash) ?? alone(change);
    if (code) return { refused: code };
    if (deps.some((dep) => this.#refused.has(dep))) return { refused: "on_refused" };
    const last = this.#actors.get(actor) ?? { seq: 0, end: 0 };
    if (seq <= last.seq) return { refused: "actor_fork" };
    const built = deps.map((dep) => this.#known.get(dep));
    if (built.some((known) => !known)) return { held: "missing_dependency" };
    const past = new Set(built.flatMap((known) => [...known.past]));
    if (seq !== last.seq + 1 || (last.hash && !past.has(last.hash))) return { refused: "seq_gap" };
    const end = Math.max(0, ...built.map((known) => known.end));
    if (startOp <= Math.max(end, last.end)) return { refused: "start_op_low" };
    if (ops.length === 0 && startOp !== end + 1) return { refused: "start_op_gap" };
    if (startOp > this.#greatest + 1) return { held: "start_op_ahead" };
    change.past = past.add(hash);
    return { refused: this.#misplaced(change) };
  }

  /** Every object, element and predecessor that the operations name has to be in the change's past. */
  #misplaced(change) {
    const own = new Map();
    const find = (id) => {
      const found = own.get(id) ?? this.#operations.get(id);
      return found && change.past.has(found.change) ? found : undefined;
    };
    for (const op of operations(change)) {
      const inside = op.obj === "_root" ? { holds: "keys", depth: 0 } : find(op.obj);
      if (!inside?.holds || inside.holds === "table") return "missing_object";
      const element = op.elemId && op.elemId !== "_head" ? find(op.elemId) : undefined;
      const named = inside.holds === "keys" ? op.key !== undefined : op.elemId === "_head" || element?.obj === op.obj;
      if (!named) return "missing_element";
      const there = op.pred.map(find).every((found) => found?.obj === op.obj && (found.key ?? op.key) === op.key);
      if (!there || (op.pred.length === 0 && ["del", "inc"].includes(op.action))) return "missing_predecessor";
      if (CONTAINERS[op.action] && inside.depth >= DEPTH_MAX) return "too_deep";
      const made = { holds: CONTAINERS[op.action], depth: inside.depth + 1 };
      own.set(op.id, { obj: op.obj, key: op.key, change: change.hash, ...made });
    }
    change.made = own;
    return null;
  }

  #accept({ hash, actor, seq, startOp, ops, deps, past, made, bytes }) {
    const end = startOp + ops.length - 1;
    this.#known.set(hash, { past, end });
    this.#actors.set(actor, { seq, end, hash });
    for (const [id, operation] of made) this.#operations.set(id, operation);
    this.#greatest = Math.max(this.#greatest, end);
    this.heads = [...this.heads.filter((head) => !deps.includes(head)), hash].sort();
    this.accepted.push(bytes);
  }
}

function runOutcomes({ begins_with: begins, steps }) {
  const door = new Door();
  door.push(begins);
  for (const { push, outcomes, state, heads } of steps) {
    const told = outcomes.map(({ hash, outcome, code }) => (code ? { hash, outcome, code } : { hash, outcome }));
    assert.deepEqual(door.push(push), told);
    assert.equal(state, told.some(({ outcome }) => outcome === "refused") ? "reload" : "ok");
    assert.deepEqual(door.heads, heads, "heads");
    const doc = Automerge.loadIncremental(Automerge.init(), Buffer.concat(door.accepted));
    assert.deepEqual(Automerge.getHeads(doc).sort(), heads, "heads of the document");
  }
}

// ── Cursors ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Position (6 bytes) and the first 8 bytes of the chain at it. */
function cursorOf(position, chain) {
  const bytes = Buffer.alloc(14);
  bytes.writeUIntBE(position, 0, 6);
  Buffer.from(chain).copy(bytes, 6, 0, 8);
  return base64url(bytes);
}

/** The position of a cursor that lies on this chain; null for any other. */
function positionOf(cursor, chain) {
  const position = cursor.length === 19 ? Buffer.from(cursor, "base64url").readUIntBE(0, 6) : Infinity;
  return position < chain.length && cursorOf(position, chain[position]) === cursor ? position : null;
}

function* cursorRuns({ chain_start: start, changes, pages, checks }) {
  const chain = [Buffer.from(start, "hex")];
  for (const told of changes) {
    yield () => {
      chain.push(sha256(chain.at(-1), Buffer.from(told.hash, "hex")));
      const { position } = told;
      assert.equal(chain.length - 1, position);
      assert.deepEqual([hex(chain[position]), cursorOf(position, chain[position])], [told.chain, told.cursor]);
    };
  }
  for (const { after, changes: page, cursor, more, heads, limit_bytes: limit } of pages) {
    yield () => {
      const from = after === null ? 0 : positionOf(after, chain);
      const bytes = page.map((text) => Buffer.from(fromBase64url(text)));
      const hashes = bytes.map((chunk) => open(chunk).hash);
      const to = from + hashes.length;
      assert.deepEqual(hashes, changes.slice(from, to).map(({ hash }) => hash));
      assert.equal(cursor, cursorOf(to, chain[to]));
      assert.equal(more, to < changes.length);
      assert.equal(heads !== undefined, !more && cursor !== after, "heads with the last page, where the cursor moved");
      const size = bytes.reduce((sum, { length }) => sum + length, 0);
      assert.ok(size <= limit || page.length === 1, "within the limit, or one change alone");
    };
  }
  for (const { says, cursor, state, changes_after: count } of checks) {
    yield () => {
      const position = positionOf(cursor, chain);
      assert.equal(state, position === null ? "restart" : "ok", says);
      assert.equal(count, changes.length - (position ?? 0), says);
    };
  }
}

// ── Reload ──────────────────────────────────────────────────────────────────────────────────────────────────

const isMap = (value) => value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
const isPlain = (value) =>
  value === null || typeof value !== "object" || [Date, Uint8Array, Counter, ImmutableString].some((kind) => value instanceof kind);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * The phone's document without the refused changes, and what they and all that builds on them wrote put into the
 * server's: as of that common state, so that what the phone had not seen stays beside it and is not overwritten.
 */
function reloaded(changes, refused, server) {
  const old = Automerge.loadIncremental(Automerge.init(), Buffer.concat(changes));
  const kept = Automerge.getAllChanges(old).map(Automerge.decodeChange).filter(({ hash }) => !refused.has(hash));
  const followed = new Set(kept.flatMap(({ deps }) => deps));
  const base = kept.map(({ hash }) => hash).filter((hash) => !followed.has(hash));
  const before = base.length > 0 ? Automerge.toJS(Automerge.view(old, base)) : {};
  const after = Automerge.toJS(old);
  const fresh = Automerge.load(server);
  const branch = Automerge.clone(Automerge.view(fresh, base));
  const written = Automerge.change(branch, (doc) => {
    for (const id of new Set([...Object.keys(before), ...Object.keys(after)])) write(doc, id, before[id], after[id]);
  });
  return Automerge.merge(fresh, written);
}

function write(doc, id, was, now) {
  if (now === undefined) {
    delete doc[id];
    return;
  }
  if (!isMap(now)) return;
  if (!isMap(doc[id])) doc[id] = {};
  for (const key of new Set([...Object.keys(was ?? {}), ...Object.keys(now)])) {
    const [before, after] = [was?.[key], now[key]];
    if (same(before, after)) continue;
    const item = /^(tally\/[^#]*)#/.exec(key)?.[1];
    if (after === undefined) delete doc[id][key];
    else if (!isPlain(after)) continue; // no activity is read from maps and lists
    else if (item && after > (before ?? 0)) doc[id][`${item}#reload`] = after - (before ?? 0); // a fresh register
    else if (typeof after === "string" && typeof doc[id][key] === "string") Automerge.updateText(doc, [id, key], after);
    else if (after instanceof Counter && before instanceof Counter) doc[id][key].increment(after.value - before.value);
    else if (after instanceof Counter) doc[id][key] = new Counter(after.value);
    else if (after instanceof ImmutableString) doc[id][key] = new ImmutableString(after.val);
    else doc[id][key] = after;
  }
}

/** Of each item the sum of its registers, and several values in the order of their JSON. */
function summed(fields) {
  const all = {};
  for (const [key, value] of Object.entries(fields)) {
    const item = tally(key) ? key.split("#")[0] : key;
    if (item !== key) all[item] = { one: (all[item]?.one ?? 0) + value.one };
    else if (value.several) all[key] = { several: [...value.several].sort((a, b) => byBytes(JSON.stringify(a), JSON.stringify(b))) };
    else all[key] = value;
  }
  return sorted(all);
}

function runReload({ document, refused, server, activities }) {
  const changes = document.map(fromBase64url);
  const hashes = new Set(refused.map(({ hash }) => hash));
  const doc = reloaded(changes, hashes, fromBase64url(server));
  const reader = new Reader();
  const door = new Door();
  const all = Automerge.getAllChanges(doc);
  for (const change of all) reader.take(open(Buffer.from(change)));
  const outcomes = door.push(all.map(base64url));
  assert.ok(outcomes.every(({ outcome }) => outcome === "accepted"), "all that it holds now is taken");
  const read = Object.entries(reader.read()).map(([id, { fields, deleted, unreadable }]) => {
    return [id, { fields: summed(showFields(fields)), deleted, unreadable }];
  });
  assert.deepEqual(Object.fromEntries(read), activities);
}

// ── All of it ───────────────────────────────────────────────────────────────────────────────────────────────

const cases = (file, run) => vectors(file).cases.map((one) => [one.name, () => run(one)]);
const RUNS = {
  readings: cases("readings", runReading),
  outcomes: cases("outcomes", runOutcomes),
  cursors: [...cursorRuns(vectors("cursors"))].map((run, at) => [`line ${at + 1}`, run]),
  reload: cases("reload", runReload),
};

let failed = false;
for (const [file, runs] of Object.entries(RUNS)) {
  let good = 0;
  for (const [name, run] of runs) {
    try {
      run();
      good += 1;
    } catch (error) {
      console.log(`FAILED  ${file}: ${name}\n${error.message}`);
    }
  }
  console.log(`${file}: ${good} of ${runs.length}`);
  failed ||= good !== runs.length;
}
process.exitCode = failed ? 1 : 0;
