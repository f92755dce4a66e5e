// The same reading from both sides: what a phone sees in its document, and what the server says of it; each as
// a flat object from the document's keys to all surviving values, the one shown first in front.

import * as Automerge from "@automerge/automerge";

/** Fields of the API's view that are named as in the document. */
const SAME = [
  "kind", "day", "started_at", "minutes_source", "note", "programme", "action", "place_id", "part_of", "confirms",
  "people", "person_minutes",
];
const GROUPS = ["place", "grade", "repair", "street", "source"];

/** Values compare as JSON: instants in RFC 3339, counters and all kinds of strings and numbers plainly. */
const plain = (value) => JSON.parse(JSON.stringify(value instanceof Automerge.Counter ? value.value : value));

function several([first, ...others]) {
  const texts = new Set(others.map((value) => JSON.stringify(value)));
  texts.delete(JSON.stringify(first));
  return [first, ...[...texts].sort().map((text) => JSON.parse(text))];
}

const sorted = (fields) => Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Every activity of a phone's document, by id. */
export function readDocument(doc) {
  const read = (map) =>
    Object.keys(map).map((key) => {
      const others = Object.values(Automerge.getConflicts(map, key) ?? {});
      return [key, several([map[key], ...others].map(plain))];
    });
  return sorted(Object.fromEntries(Object.keys(doc).map((id) => [id, sorted(Object.fromEntries(read(doc[id])))])));
}

/** Every activity of `GET /v1/activities`, by id. */
export function readViews(views) {
  return sorted(Object.fromEntries(views.map((view) => [view.id, readView(view)])));
}

function readView(view) {
  const fields = { ...view.unknown };
  for (const name of SAME) fields[name] = view[name];
  for (const group of GROUPS) {
    for (const [name, value] of Object.entries(view[group] ?? {})) fields[`${group}.${name}`] = value;
  }
  for (const { party_id: party, organisation_id: organisation, minutes } of view.parties) {
    fields[organisation ? `party/${party}@${organisation}` : `party/${party}`] = minutes;
  }
  for (const { item, seen, registers } of view.tallies) {
    for (const { register, count } of registers) fields[`tally/${item}${seen ? ":seen" : ""}#${register}`] = count;
  }
  for (const { sha256, taken_at: taken } of view.photos) fields[`photo/${sha256}`] = taken;
  if (view.withdrawn) fields.withdrawn = true;
  if (view.phase !== "delivery") fields.phase = view.phase; // "delivery" also where the document says nothing
  const read = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const all = Object.fromEntries(read.map(([key, value]) => [key, [value]]));
  for (const { field, values } of view.conflicts) all[field] = several(values.map(({ value }) => value));
  return sorted(all);
}

/** Counts of an activity's items as the server states them: each the sum of its registers. */
export const counts = (view) => Object.fromEntries(view.tallies.map(({ item, count }) => [item, count]));
