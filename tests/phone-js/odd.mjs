// Changes of stock Automerge for JavaScript that are odd and honest: nothing in them endangers anybody, whatever
// they mean. Prints one line of JSON for each kind: its name and its changes in base64url.

import * as Automerge from "@automerge/automerge";

import { base64url } from "./bytes.mjs";

const { Counter, Float64, ImmutableString, Int, Uint } = Automerge;
const ACTIVITY = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b0";
const change = (doc, write, options = {}) => Automerge.change(doc, { time: 0, ...options }, write);
const wrote = (...writes) => writes.reduce((doc, write) => change(doc, write), Automerge.init());
const field = (value) => wrote((doc) => (doc[`${ACTIVITY}1`] = { kind: "hours", day: "2026-11-20", odd: value }));
const nested = (depth) => (depth === 0 ? 1 : { in: nested(depth - 1) });
const record = (at) => ({
  kind: "hours", day: "2026-11-20", minutes_source: "recalled", note: `record ${at}`, "tally/bags#a": at,
});
const activity = (at) => `0193a5b0-7c2e-7d44-9a51-${at.toString(16).padStart(12, "0")}`;

/** Two phones at once on top of the same, merged. */
function merged(base, one, other) {
  const copy = Automerge.clone(base);
  return Automerge.merge(change(base, one), change(copy, other));
}

const text = () => wrote((doc) => (doc.note = "swept the alley"));

const KINDS = {
  from: () => Automerge.from({ settings: { theme: "dark" } }),
  "an empty change": () => Automerge.emptyChange(Automerge.init(), { time: 0 }),
  "an empty change on top of two heads": () =>
    Automerge.emptyChange(merged(wrote((d) => (d.a = 1)), (d) => (d.b = 1), (d) => (d.c = 1)), { time: 0 }),
  "a message": () => change(Automerge.init(), (doc) => (doc.a = 1), { message: "schön \u0000 👪".repeat(100) }),
  "times before 1970 and far away": () =>
    [-1, -(2 ** 40), 2 ** 40].reduce((doc, time) => change(doc, (d) => (d.at = time), { time }), Automerge.init()),
  "floats that are no numbers": () => field([NaN, Infinity, -Infinity, -0, 1e308, 5e-324]),
  "the greatest integers": () =>
    field([Number.MAX_SAFE_INTEGER, new Int(Number.MIN_SAFE_INTEGER), new Uint(2 ** 53 - 1), new Float64(2 ** 60)]),
  "dates of all ages": () => field([new Date(0), new Date(-8.64e15), new Date(8.64e15)]),
  bytes: () => field([new Uint8Array(0), new Uint8Array(100_000)]),
  "null and booleans": () => field([null, true, false]),
  "immutable strings": () => field(new ImmutableString("a\u0000b")),
  "a text of 20,000 letters": () => field("x".repeat(20_000)),
  "half a pair of surrogates": () => field(new ImmutableString("\ud83d")),
  "odd keys": () =>
    wrote((doc) => Object.assign(doc, { "": 1, "\u0000": 2, "👪": 3, constructor: 4, ["k".repeat(10_000)]: 5 })),
  "maps thirty deep": () => wrote((doc) => (doc.deep = nested(30))),
  "lists in lists": () => field([[[[]]], [1, [2, [3]]]]),
  "a counter up and down": () =>
    wrote((doc) => (doc.count = new Counter(3)), (doc) => doc.count.increment(9), (doc) => doc.count.decrement(20)),
  "a counter by two at once": () =>
    merged(wrote((doc) => (doc.count = new Counter(3))), (d) => d.count.increment(1), (d) => d.count.increment(2)),
  "one key made by two at once": () =>
    merged(Automerge.init(), (d) => (d[`${ACTIVITY}1`] = record(1)), (d) => (d[`${ACTIVITY}1`] = record(2))),
  "a key deleted and written at once": () =>
    merged(wrote((doc) => (doc.a = 1)), (doc) => delete doc.a, (doc) => (doc.a = 2)),
  "a map replaced beside an edit of it": () =>
    merged(wrote((doc) => (doc.a = { b: 1 })), (doc) => (doc.a = { c: 1 }), (doc) => (doc.a.b = 2)),
  "text written by two at once": () =>
    merged(text(), (d) => Automerge.splice(d, ["note"], 0, 5, "raked"), (d) => Automerge.splice(d, ["note"], 9, 6, "")),
  "text written anew": () =>
    change(text(), (doc) => Automerge.updateText(doc, ["note"], "swept both alleys, and the square")),
  "marks over marks": () => {
    const mark = (doc, start, end, name, value) =>
      change(doc, (d) => Automerge.mark(d, ["note"], { start, end, expand: "both" }, name, value));
    const marked = mark(mark(text(), 0, 9, "bold", true), 4, 12, "link", "https://example.org");
    return change(marked, (d) => Automerge.unmark(d, ["note"], { start: 2, end: 6, expand: "none" }, "bold"));
  },
  blocks: () => {
    const split = change(text(), (d) => Automerge.splitBlock(d, ["note"], 5, { type: new ImmutableString("li") }));
    const again = change(split, (d) => Automerge.splitBlock(d, ["note"], 9, { type: new ImmutableString("p") }));
    return change(again, (d) => Automerge.joinBlock(d, ["note"], 5));
  },
  "written as of an older version": () => {
    const base = wrote((doc) => (doc.a = 1));
    const heads = Automerge.getHeads(base);
    const later = change(change(base, (doc) => (doc.b = 2)), (doc) => (doc.c = 3));
    return Automerge.changeAt(later, heads, { time: 0 }, (doc) => (doc.a = 4)).newDoc;
  },
  "a thousand items in and out of a list": () =>
    wrote(
      (doc) => (doc.list = Array.from({ length: 1000 }, (_, at) => at)),
      (doc) => doc.list.splice(100, 800),
      (doc) => doc.list.unshift("first"),
    ),
  "text deleted by the thousand": () =>
    wrote((doc) => (doc.note = "x".repeat(5_000)), (doc) => Automerge.splice(doc, ["note"], 0, 5_000, "")),
  "fifty starts of the app": () => {
    let doc = Automerge.init();
    for (let at = 0; at < 50; at += 1) doc = change(Automerge.load(Automerge.save(doc)), (d) => (d[activity(at)] = record(at)));
    return doc;
  },
  "forty heads at once": () => {
    const base = wrote((doc) => (doc.a = 1));
    const copies = Array.from({ length: 40 }, (_, at) => change(Automerge.clone(base), (d) => (d[activity(at)] = record(at))));
    return copies.reduce((doc, copy) => Automerge.merge(doc, copy), base);
  },
  "actors of one byte and of sixty-four": () => {
    const short = change(Automerge.init({ actor: "07" }), (doc) => (doc.a = 1));
    const long = Automerge.clone(short, { actor: "08".repeat(64) });
    return Automerge.merge(short, change(long, (doc) => (doc.b = 1)));
  },
  "five hundred activities in one change": () =>
    wrote((doc) => {
      for (let at = 0; at < 500; at += 1) doc[activity(at)] = record(at);
    }),
};

for (const [name, make] of Object.entries(KINDS)) {
  const doc = make();
  const changes = Automerge.getAllChanges(doc).map(base64url);
  console.log(JSON.stringify({ name, changes, heads: Automerge.getHeads(doc).sort() }));
}
