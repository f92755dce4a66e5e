// The one recovery, for a refusal and for a fork: take the server's document, and write on top of it, change by
// change, what only this phone has.
//
// A change is written again as of its own past: what this phone had not seen stays a conflict. Actor and time
// follow from the change, so another copy of this phone writes the very same bytes, and nothing counts twice.

import * as Automerge from "@automerge/automerge";

import { Book } from "./book.mjs";
import { hex, sha256 } from "./bytes.mjs";

const { Counter, ImmutableString } = Automerge;
/** Refusals that say nothing of what a change writes, only of where it stands. */
const NOT_OF_CONTENT = ["actor_fork", "on_refused"];

/** The daybook that replaces `old`: `bytes` and `cursor` as downloaded, and the phone's own work. */
export async function reloaded(old, bytes, cursor) {
  const fresh = new Book(old.id);
  fresh.apply([bytes]);
  fresh.cursor = cursor;
  fresh.heads = Automerge.getHeads(fresh.doc);
  fresh.aside = new Map(old.aside);
  fresh.group = old.group;
  /** What stands for a change that was written anew. */
  const anew = new Map();
  for (const raw of Automerge.getAllChanges(old.doc)) {
    const change = Automerge.decodeChange(raw);
    if (fresh.has(change.hash) || keep(fresh, old, change, raw, anew)) continue;
    const on = [...new Set(change.deps.flatMap((dep) => anew.get(dep) ?? [dep]))].sort();
    anew.set(change.hash, await again(fresh, old, change, on));
  }
  return fresh;
}

/** The server has taken this change already, only not admitted it: it stays as it is. */
function keep(fresh, old, { hash, deps }, raw, anew) {
  if (!old.held.has(hash) || deps.some((dep) => anew.has(dep))) return false;
  fresh.apply([raw]);
  fresh.held.set(hash, old.held.get(hash));
  return true;
}

/** Writes a change anew; where it was written anew before and refused for what it says, field by field. */
async function again(fresh, old, change, on) {
  const [before, after] = [change.deps, [change.hash]].map((heads) => Automerge.view(old.doc, heads));
  const name = (id, key = null) => JSON.stringify([id, key]);
  let units = new Map();
  for (const { path } of Automerge.diff(old.doc, change.deps, [change.hash])) {
    units.set(name(path[0], path[1]), [path[0], path[1]]);
  }
  const code = old.rewritten.has(change.hash) ? old.refused.get(change.hash) : undefined;
  const refused = code !== undefined && !NOT_OF_CONTENT.includes(code);
  if (refused && units.size === 1) {
    for (const unit of units.keys()) fresh.aside.set(unit, code);
    units = new Map();
  }
  const wanted = [...units.values()].filter(([id]) => !fresh.aside.has(name(id))).sort();
  const portions = refused ? wanted.map((unit) => [unit]) : [wanted];
  const actor = hex((await sha256(["written anew", change.hash, ...on].join())).slice(0, 16));
  const { time } = change;
  let branch = Automerge.clone(Automerge.view(fresh.doc, on), { actor });
  for (const portion of portions) {
    branch = Automerge.change(branch, { time }, (doc) => write(doc, portion, change.hash, before, after));
  }
  for (const raw of Automerge.getChangesSince(branch, on)) {
    fresh.rewritten.add(Automerge.decodeChange(raw).hash);
    fresh.apply([raw]);
  }
  return Automerge.getHeads(branch);
}

const isMap = (value) =>
  value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;

function write(doc, units, hash, before, after) {
  for (const [id, key] of units) {
    if (after[id] === undefined) {
      delete doc[id];
    } else if (!isMap(after[id])) {
      if (key === undefined) writeValue(doc, id, after[id]);
    } else {
      if (!isMap(doc[id])) doc[id] = {};
      if (key !== undefined) writeField(doc, id, key, hash, before[id]?.[key], after[id][key]);
    }
  }
}

function writeField(doc, id, key, hash, was, now) {
  const fields = doc[id];
  const item = /^(tally\/[^#]*)#/.exec(key)?.[1];
  const more = Number(now) - Number(was ?? 0);
  if (item !== undefined && more > 0) {
    // A copy of the phone may have counted in the same register: the difference goes into one of its own.
    const register = `${item}#${hash.slice(0, 8)}`;
    fields[register] = (fields[register] ?? 0) + more;
  } else if (now === undefined) {
    delete fields[key];
  } else if (now instanceof Counter && was instanceof Counter && fields[key] instanceof Counter) {
    if (more !== 0) fields[key].increment(more);
  } else if (typeof now === "string" && typeof fields[key] === "string") {
    // Letter by letter, so that it merges with what others write in it.
    Automerge.updateText(doc, [id, key], now);
  } else {
    writeValue(fields, key, now);
  }
}

/** Maps and lists are left out: nothing that Daybook reads is one. */
function writeValue(container, key, value) {
  if (value instanceof Counter) container[key] = new Counter(value.value);
  else if (value instanceof ImmutableString) container[key] = new ImmutableString(value.val);
  else if (value instanceof Date || value instanceof Uint8Array) container[key] = value;
  else if (value === null || typeof value !== "object") container[key] = value;
}
