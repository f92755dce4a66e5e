/**
 * Records a litter pick in a daybook of its own and syncs it, as a phone with stock Automerge does.
 *
 *     npm install @automerge/automerge tsx
 *     export DAYBOOK_URL=http://127.0.0.1:8080 DAYBOOK_TOKEN=dbp_…
 *     npx tsx record.ts --minutes 40 --bags 2 --note "Along the canal" --offline
 *     npx tsx record.ts
 *
 * The first line writes into the document, which a file keeps; the second syncs and lists what the document says, the
 * records of all other phones and apps of the same person included. Needs Node 20 or later and a personal token with
 * the scope `sync`.
 */
import { copyFile, open, readFile, rename, rm } from "node:fs/promises";
import { parseArgs } from "node:util";

import * as Automerge from "@automerge/automerge";

/** Changes of one request: what the server takes in one transaction. */
const PUSH_MAX = 256;
/** How often the same is sent again where nothing came of it, and how long to wait before. */
const TRIES_MAX = 3;
const PAUSE_MS = 1_000;
/** Requests of one run: far more than any honest backlog needs. */
const ROUNDS_MAX = 1_000;
/** While records wait to be judged: when to ask again, and how often. */
const VERDICTS_MS = 5_000;
const VERDICTS_MAX = 3;

type Scalar = string | number | boolean | null | Date | Automerge.ImmutableString;
/** The document: activities by id, each one flat map. */
type Document = Record<string, Record<string, Scalar>>;

/** What the file keeps. Document, cursor and heads belong together, so they are written together. */
interface Phone {
  doc: Automerge.Doc<Document>;
  /** Of the last answer; null before the first. */
  cursor: string | null;
  /** Heads of the server's document, as last told. */
  heads: string[];
  verdictsAfter: string | null;
  daybook: string | null;
  party: string | null;
  /** Minutes by activity, of whoever this is: that is not known before the first contact. */
  unclaimed: Record<string, number>;
}

interface Me {
  name?: string;
  party_id: string;
  neighbourhood: { name: string };
  daybooks: { id: string; party_id: string }[];
}
interface Outcome {
  hash: string;
  outcome: string;
  code?: string;
  detail?: string;
  activities: string[];
}
interface Verdict {
  activity_id: string;
  review: string;
  conflict: string;
  minutes?: number;
  reason?: { code: string; text: string };
  expected_by?: string;
  named?: { by: string };
}
interface DaybookAnswer {
  state: string;
  cursor?: string;
  more?: boolean;
  heads?: string[];
  changes: string[];
  outcomes: Outcome[];
  snapshot?: { url: string; bytes: number };
}
interface SyncAnswer {
  verdicts: Verdict[];
  verdicts_next: string;
  verdicts_more?: boolean;
  verdicts_pending?: boolean;
  daybooks: DaybookAnswer[];
}

/** No answer, or none of Daybook's: try again where there is signal. Whatever was sent may be sent again. */
class NoSignal extends Error {}
/** The server's problem (RFC 9457): the request as a whole was not taken. */
class Refused extends Error {}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const fromBase64url = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));
const toBase64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

/** An id with the time in front (RFC 9562). */
function uuid7(): string {
  const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The phone from its file; its document gets a fresh actor, so that a file that was copied is no second pen. */
async function load(file: string): Promise<Phone> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text !== null) {
    const { document, ...kept } = JSON.parse(text);
    return { ...kept, doc: Automerge.load<Document>(fromBase64url(document)) };
  }
  const nothing = { cursor: null, heads: [], verdictsAfter: null, daybook: null, party: null, unclaimed: {} };
  return { doc: Automerge.init<Document>(), ...nothing };
}

/** All or nothing: a phone that dies meanwhile has the old file or the new one. */
async function save(file: string, { doc, ...kept }: Phone): Promise<void> {
  const beside = await open(`${file}.new`, "w");
  await beside.writeFile(JSON.stringify({ ...kept, document: toBase64url(Automerge.save(doc)) }));
  await beside.sync();
  await beside.close();
  await rename(`${file}.new`, file);
}

/** Writes an activity: one change, under an id made here. */
function record(phone: Phone, minutes: number, day: string, bags?: string, note?: string): string {
  const id = uuid7();
  // What is chosen from a list or counts as a whole is an ImmutableString; a note is text that several may edit.
  const activity: Record<string, Scalar> = {
    kind: new Automerge.ImmutableString("litter_pick"),
    day: new Automerge.ImmutableString(day),
    minutes_source: new Automerge.ImmutableString("recalled"),
  };
  // Each phone counts in a register of its own, and the total is their sum.
  if (bags !== undefined) activity[`tally/bags#${id.slice(-8)}`] = Number(bags);
  if (note !== undefined) activity.note = note;
  if (phone.party) activity[`party/${phone.party}`] = minutes;
  else phone.unclaimed[id] = minutes;
  phone.doc = Automerge.change(phone.doc, (doc) => {
    doc[id] = activity;
  });
  return id;
}

class Server {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  async call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    // The page of a guest Wi-Fi must not get the token, so nothing is followed.
    const how = { method, headers, redirect: "manual", ...sent } as const;
    const response = await fetch(this.url.replace(/\/$/, "") + path, how).catch((error: Error) => {
      throw new NoSignal(String(error.cause ?? error));
    });
    if (response.ok) return response;
    const problem = await read<{ code: string; detail: string }>(response);
    const wait = response.headers.get("retry-after");
    const later = wait ? ` Try again in ${wait} s.` : "";
    throw new Refused(`${response.status} ${problem.code}: ${problem.detail}${later}`);
  }

  async json<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    return read<Answer>(await this.call(method, path, body));
  }
}

async function read<Answer>(response: Response): Promise<Answer> {
  return response.json().catch((error: Error) => {
    throw new NoSignal(`${response.status} from something that is not Daybook, or cut: ${error.message}`);
  }) as Promise<Answer>;
}

/** Learns who this is, and in which daybook they write: their first one, or a new one. */
async function greet(server: Server, phone: Phone): Promise<void> {
  const me = await server.json<Me>("GET", "/v1/me");
  if (phone.party && phone.party !== me.party_id) throw new Refused("this file is somebody else's: use another --file");
  console.log(`you are ${me.name ?? "a resident"}, in ${me.neighbourhood.name}`);
  phone.party = me.party_id;
  // A new one gets its id here; the first sync answers `not_found`, and it is created.
  phone.daybook ??= me.daybooks.find((daybook) => daybook.party_id === me.party_id)?.id ?? uuid7();
  const unclaimed = Object.entries(phone.unclaimed);
  if (unclaimed.length === 0) return;
  phone.doc = Automerge.change(phone.doc, (doc) => {
    for (const [id, minutes] of unclaimed) doc[id]![`party/${me.party_id}`] = minutes;
  });
  phone.unclaimed = {};
}

/** One run of syncs, until neither side has anything that the other lacks. */
class Sync {
  /** What the server has answered for in this run. Held changes are among them: they are kept, and wait there. */
  private answered = new Set<string>();
  private refused = new Map<string, Outcome>();
  private more = false;
  private reloaded = false;
  private askedFromStart = false;
  private tries = 0;
  private verdictsAsked = 0;

  constructor(
    private readonly server: Server,
    private readonly phone: Phone,
    private readonly file: string,
    private readonly verdictsMax: number,
  ) {}

  async run(): Promise<void> {
    for (let again = true, rounds = 0; again && rounds < ROUNDS_MAX; rounds += 1) {
      const answer = await this.request();
      answer.verdicts.forEach(tell);
      this.phone.verdictsAfter = answer.verdicts_next;
      again = await this.take(answer.daybooks[0]!);
      if (this.phone.daybook === null) return;
      await save(this.file, this.phone);
      again ||= answer.verdicts_more === true;
      if (again || !answer.verdicts_pending || this.verdictsAsked === this.verdictsMax) continue;
      this.verdictsAsked += 1;
      await pause(VERDICTS_MS);
      again = true;
    }
  }

  /** Changes that the server may lack, in causal order. */
  private unsent(): { bytes: Uint8Array; hash: string }[] {
    const { doc, heads } = this.phone;
    const known = heads.filter((head) => Automerge.hasHeads(doc, [head]));
    return Automerge.getChangesSince(doc, known)
      .map((bytes) => ({ bytes, hash: Automerge.decodeChange(bytes).hash }))
      .filter(({ hash }) => !this.answered.has(hash));
  }

  private async request(): Promise<SyncAnswer> {
    const { daybook, cursor, verdictsAfter } = this.phone;
    const push = this.more ? [] : this.unsent().slice(0, PUSH_MAX);
    const changes = push.map(({ bytes }) => toBase64url(bytes));
    return this.server.json<SyncAnswer>("POST", "/v1/sync", {
      device_time: new Date().toISOString(),
      ...(verdictsAfter === null ? {} : { verdicts_after: verdictsAfter }),
      daybooks: [{ id: daybook, cursor, changes }],
    });
  }

  /** Takes the answer for the daybook; says whether to sync again at once. */
  private async take(answer: DaybookAnswer): Promise<boolean> {
    const { phone } = this;
    switch (answer.state) {
      case "busy": // nothing was written
        return this.later("the server is busy");
      case "gone": // its resident had it erased: it must not come back from here
        console.log("this daybook was erased; so is the copy here");
        await rm(this.file, { force: true });
        phone.daybook = null;
        return false;
      case "not_found": // a new daybook, or a server that was restored from before there was one
        await this.server.json("POST", "/v1/daybooks", { id: phone.daybook });
        Object.assign(phone, { cursor: null, heads: [] });
        return true;
      case "restart": // the server was restored, and may lack what it had
        console.log("starting again: this server does not know how far we had read");
        phone.heads = [];
        this.answered.clear();
    }
    const deferred = this.count(answer.outcomes);
    const forked = await this.merge(answer);
    if (forked) this.more = false;
    if (this.more) return true;
    if (deferred > 0) {
      const settled = answer.changes.length > 0 || deferred < answer.outcomes.length;
      return settled || this.later("the server put it off");
    }
    if (this.unsent().length > 0) return true;
    if (forked || this.refused.size > 0) return this.reload();
    if (this.askedFromStart || phone.heads.every((head) => Automerge.hasHeads(phone.doc, [head]))) return false;
    this.askedFromStart = true; // something is missing here
    phone.cursor = null;
    return true;
  }

  private async later(why: string): Promise<boolean> {
    this.tries += 1;
    if (this.tries === TRIES_MAX) {
      console.log(`${why}: the rest goes with the next sync`);
      process.exitCode = 1;
      return false;
    }
    await pause(PAUSE_MS);
    return true;
  }

  /** Notes what became of each change; answers how many are to be sent again. */
  private count(outcomes: Outcome[]): number {
    for (const one of outcomes) {
      const { hash, outcome, code, detail, activities } = one;
      const why = code ? ` (${code}${detail ? `: ${detail}` : ""})` : "";
      console.log(`${outcome} ${activities.join(" ") || hash}${why}`);
      if (outcome === "deferred") continue;
      this.answered.add(hash);
      if (outcome === "refused") this.refused.set(hash, one);
    }
    return outcomes.filter(({ outcome }) => outcome === "deferred").length;
  }

  /** Takes what the phone lacks. True where it does not go together with what is here: one actor went two ways. */
  private async merge(answer: DaybookAnswer): Promise<boolean> {
    const { phone } = this;
    try {
      const changes = answer.changes.map(fromBase64url);
      for (const change of changes) this.answered.add(Automerge.decodeChange(change).hash); // the server has them
      for (const change of changes) phone.doc = Automerge.loadIncremental(phone.doc, change);
      phone.cursor = answer.cursor ?? phone.cursor;
      this.more = answer.more === true;
      if (answer.heads) phone.heads = answer.heads;
      if (answer.snapshot) {
        console.log(`catching up: ${answer.snapshot.bytes} bytes in place of changes`);
        const { doc, cursor } = await this.download();
        phone.doc = Automerge.merge(phone.doc, Automerge.clone(doc));
        Object.assign(phone, { cursor, heads: Automerge.getHeads(doc) });
      }
      return false;
    } catch (error) {
      if (error instanceof NoSignal || error instanceof Refused) throw error;
      return true;
    }
  }

  private async download(): Promise<{ doc: Automerge.Doc<Document>; cursor: string | null }> {
    const response = await this.server.call("GET", `/v1/daybooks/${this.phone.daybook}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { doc: Automerge.load<Document>(bytes), cursor: response.headers.get("daybook-cursor") };
  }

  /**
   * The one recovery: takes the server's document, and writes into it, under a fresh actor, what only the refused
   * changes say. Ids stay, so nothing counts twice. The old file stays beside the new one.
   */
  private async reload(): Promise<boolean> {
    const { phone } = this;
    if (this.reloaded) {
      const codes = [...this.refused.values()].map(({ code }) => code);
      console.log(`the server does not take this, written anew either: ${codes.join(", ")}`);
      process.exitCode = 1;
      return false;
    }
    console.log("reloading: the server's document, with what only this phone has written into it");
    await save(this.file, phone);
    await copyFile(this.file, `${this.file}.before-reload`);
    const old = phone.doc;
    const { doc, cursor } = await this.download();
    Object.assign(phone, { doc, cursor, heads: Automerge.getHeads(doc) });
    const base = this.frontier(old);
    const missing = new Map<string, Set<string>>();
    for (const { path } of Automerge.diff(old, base, Automerge.getHeads(old))) {
      const [id, key] = path.map(String);
      if (!missing.has(id!)) missing.set(id!, new Set());
      if (key !== undefined) missing.get(id!)!.add(key);
    }
    for (const [id, keys] of missing) {
      // As of what this phone knew without them: what others wrote meanwhile is not overwritten.
      const written = Automerge.changeAt(phone.doc, base, (doc) => {
        doc[id] ??= {};
        for (const key of keys) doc[id]![key] = old[id]?.[key] ?? null; // this example removes nothing
      });
      phone.doc = written.newDoc;
    }
    this.reloaded = true;
    this.refused.clear();
    return true;
  }

  /** Heads of the document without the refused changes and what builds on them. */
  private frontier(doc: Automerge.Doc<Document>): string[] {
    const without = new Set(this.refused.keys());
    const heads = new Set<string>();
    for (const { hash, deps } of Automerge.getChangesMetaSince(doc, [])) {
      if (without.has(hash) || deps.some((dep) => without.has(dep))) {
        without.add(hash);
        continue;
      }
      deps.forEach((dep) => heads.delete(dep));
      heads.add(hash);
    }
    return [...heads];
  }
}

/** What a person is told about a record. */
function tell({ activity_id: id, review, conflict, minutes, reason, expected_by: by, named }: Verdict): void {
  const words = [review.replaceAll("_", " ")];
  if (minutes !== undefined) words.push(`${minutes} minutes`);
  if (conflict === "hard") words.push("two phones say different things");
  if (reason) words.push(reason.text);
  if (review === "received" && by) words.push(`somebody looks at it by ${by.slice(0, 10)}`);
  console.log(`verdict ${id}: ${words.join("; ")}${named ? " (somebody else's record that names you)" : ""}`);
}

function show(id: string, activity: Record<string, Scalar>): void {
  const parties = Object.keys(activity).filter((key) => key.startsWith("party/"));
  const minutes = parties.reduce((sum, key) => sum + Number(activity[key]), 0);
  const note = activity.note ? `  ${activity.note}` : "";
  console.log(`${id}  ${activity.day}  ${activity.kind}  ${minutes} min${note}`);
}

function today(): string {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      token: { type: "string" },
      file: { type: "string", default: "daybook-phone.json" },
      minutes: { type: "string" },
      bags: { type: "string" },
      note: { type: "string" },
      day: { type: "string", default: today() },
      offline: { type: "boolean", default: false }, // store only
      "no-wait": { type: "boolean", default: false }, // for verdicts: the next sync brings them too
    },
  });
  const { file, minutes, day, bags, note } = values;
  const [url, token] = [values.url ?? process.env.DAYBOOK_URL, values.token ?? process.env.DAYBOOK_TOKEN];
  if (!values.offline && (!url || !token)) {
    console.error("Where is the server, and who are you? Give --url and --token, or --offline.");
    process.exit(2);
  }
  for (const [name, figure] of [["--minutes", minutes], ["--bags", bags]]) {
    if (figure === undefined || /^\d+$/.test(figure)) continue;
    console.error(`${name} takes a whole number.`);
    process.exit(2);
  }
  const phone = await load(file);
  if (minutes !== undefined) {
    const id = record(phone, Number(minutes), day, bags, note);
    await save(file, phone);
    console.log(`stored ${id}`);
  }
  if (values.offline || !url || !token) return;
  const server = new Server(url, token);
  try {
    await greet(server, phone);
    await save(file, phone);
    await new Sync(server, phone, file, values["no-wait"] ? 0 : VERDICTS_MAX).run();
  } catch (error) {
    if (!(error instanceof NoSignal || error instanceof Refused)) throw error;
    console.log(error instanceof NoSignal ? `no signal (${error.message})` : `not taken: ${error.message}`);
    process.exitCode = 1;
  }
  if (phone.daybook === null && phone.party) return;
  for (const id of Object.keys(phone.doc).sort()) show(id, phone.doc[id]!);
}

// Not awaited at the top: a folder without `"type": "module"` does not know that.
main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
