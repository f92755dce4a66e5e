// The one recovery, for a refusal and for a fork: take the server's document, and write on top of it, under a
// fresh actor, what only this phone has. Activities keep their ids, so nothing is counted twice.

import * as Automerge from "@automerge/automerge";

import { Book } from "./book.mjs";

const ACTIVITIES_PER_CHANGE = 200;

/** The daybook that replaces `old`: `bytes` and `cursor` as downloaded, and the phone's own work. */
export function reloaded(old, bytes, cursor) {
  const fresh = new Book(old.id);
  fresh.apply([bytes]);
  fresh.cursor = cursor;
  fresh.heads = Automerge.getHeads(fresh.doc);
  const patches = Automerge.diff(old.doc, old.frontierWithoutRefused(), Automerge.getHeads(old.doc));
  for (const some of portions(patches)) {
    fresh.doc = Automerge.change(fresh.doc, (doc) => some.forEach((patch) => apply(doc, patch)));
  }
  return fresh;
}

/** The patches of at most so many activities at a time. Patches of one activity keep their order. */
function portions(patches) {
  const byActivity = new Map();
  for (const patch of patches) {
    const id = patch.path[0];
    if (!byActivity.has(id)) byActivity.set(id, []);
    byActivity.get(id).push(patch);
  }
  const all = [...byActivity.values()];
  const count = Math.ceil(all.length / ACTIVITIES_PER_CHANGE);
  return Array.from({ length: count }, (_, at) =>
    all.slice(at * ACTIVITIES_PER_CHANGE, (at + 1) * ACTIVITIES_PER_CHANGE).flat(),
  );
}

function apply(doc, patch) {
  const { action, path } = patch;
  // An activity that the server has already stays the map that it is there.
  if (action === "put" && path.length === 1 && doc[path[0]] !== undefined) return;
  // Stock `applyPatch` deletes from lists and texts only.
  if (action === "del" && typeof path.at(-1) === "string") {
    const parent = path.slice(0, -1).reduce((value, key) => value?.[key], doc);
    if (parent !== undefined) delete parent[path.at(-1)];
    return;
  }
  Automerge.applyPatches(doc, [patch]);
}
