// A phone as an app developer writes it: stock Automerge, HTTP and WebCrypto. Records offline, syncs when it may.

import * as Automerge from "@automerge/automerge";

import { Book } from "./book.mjs";
import { base64url, fromBase64url, hex, random, uuid7 } from "./bytes.mjs";
import { download } from "./download.mjs";
import { reloaded } from "./reload.mjs";
import { Refused, Session } from "./session.mjs";

/** Changes of one request; what a server takes in one transaction. */
const PUSH_CHANGES_MAX = 256;
const PUSH_BYTES_MAX = 4 * 1024 * 1024;
/** Requests of one sync: far more than any honest backlog needs. */
const ROUNDS_MAX = 1000;
/** Waits before the same is sent again where nothing came of it; after the last of them the next sync goes on. */
const PAUSES_MS = [50, 100, 200, 400, 800];

export class Phone {
  verdicts = new Map();
  #verdictsAfter = null;
  #offline = true;

  /** A phone at its first start: it makes its key and ids, and can record from now on. */
  static async create(name, url, clock = Date.now) {
    const phone = new Phone();
    phone.name = name;
    phone.clock = clock;
    phone.session = await Session.create(url, clock);
    [phone.party, phone.device, phone.own] = [1, 2, 3].map(() => uuid7(clock()));
    phone.register = hex(random(4));
    phone.books = new Map([[phone.own, new Book(phone.own)]]);
    phone.book().group = null;
    return phone;
  }

  goOnline() {
    this.#offline = false;
  }

  goOffline() {
    this.#offline = true;
  }

  /** Its own daybook, or another one that it keeps; begun if it is not there. */
  book(id = this.own) {
    if (!this.books.has(id)) this.books.set(id, new Book(id));
    return this.books.get(id);
  }

  /** Records an activity, in its own daybook unless another is named: one change. Answers its id. */
  record(fields, daybook = this.own) {
    const id = uuid7(this.clock());
    this.change((doc) => {
      doc[id] = fields;
    }, daybook);
    return id;
  }

  /** Writes in an activity of its own daybook: one change. */
  edit(id, write) {
    this.change((doc) => write(doc[id], doc));
  }

  /** Counts up in this phone's own register: one change. */
  count(id, item, more) {
    const key = `tally/${item}#${this.register}`;
    this.edit(id, (fields) => {
      fields[key] = (fields[key] ?? 0) + more;
    });
  }

  change(write, daybook = this.own) {
    const book = this.book(daybook);
    book.doc = Automerge.change(book.doc, { time: Math.floor(this.clock() / 1000) }, write);
  }

  /** What the phone's storage holds of its own daybook. */
  stored() {
    return this.book().stored();
  }

  /**
   * The app starts from this storage, maybe an old copy; under a fresh actor and with a fresh register to count
   * in, unless the actor is pinned: nobody else counts in this one.
   */
  restart(stored = this.stored(), actor = undefined) {
    if (actor === undefined) this.register = hex(random(4));
    this.books.set(this.own, new Book(this.own, stored, actor));
  }

  /** A second program on this phone: same key, tokens and daybook. */
  twin(stored, actor) {
    const twin = Object.assign(new Phone(), this);
    twin.books = new Map();
    twin.verdicts = new Map();
    twin.restart(stored, actor);
    if (!this.#offline) twin.goOnline();
    return twin;
  }

  /** Redeems an invitation. What was recorded before stays and is pushed at the next sync. */
  async enrol(invitation) {
    this.#reach();
    const answer = await this.session.post("/v1/enrolments", {
      invitation,
      device: { id: this.device, name: `${this.name}'s phone` },
      party: { id: this.party, name: this.name },
      daybook_id: this.own,
    });
    this.session.accessToken = answer.access_token;
    this.session.refreshToken = answer.refresh_token;
    return answer;
  }

  /** The daybooks in which this person may not write, as of the last sync, with how much waits on this phone. */
  barred() {
    const barred = [...this.books.values()].filter((book) => book.barred !== null);
    const waits = (book) => book.unsent().length + book.refused.size;
    return barred.map((book) => {
      const { id, group, barred: code, held } = book;
      return { id, group, unsent: waits(book), held: held.size, code };
    });
  }

  /**
   * Syncs every daybook until neither side has anything that the other lacks. Answers what that took. One in which
   * this person may not write any more keeps what is unsent, and holds up no other.
   */
  async sync() {
    const outcomes = { accepted: 0, duplicate: 0, held: 0, deferred: 0, refused: 0 };
    const report = { requests: 0, ...outcomes, reloads: 0, restarts: 0, snapshots: 0, barred: [] };
    let pauses = [...PAUSES_MS];
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      this.#reach();
      report.requests += 1;
      const answer = await this.session.post("/v1/sync", this.#request());
      for (const verdict of answer.verdicts) this.verdicts.set(verdict.activity_id, verdict);
      this.#verdictsAfter = answer.verdicts_next;
      report.verdictsPending = answer.verdicts_pending;
      let again = answer.verdicts_more;
      let stalled = false;
      // What is not found comes last: whatever asking for it ends with, the other daybooks' answers are taken.
      const lost = ({ state }) => Number(state === "not_found");
      for (const daybook of answer.daybooks.sort((one, other) => lost(one) - lost(other))) {
        const next = await this.#take(daybook, answer.server_time, report);
        again ||= next === true;
        stalled ||= next === "stalled";
      }
      await this.#learnOwners();
      if (stalled && !again) {
        if (pauses.length === 0) return this.#ended(report); // the next sync goes on
        await new Promise((resolve) => setTimeout(resolve, pauses.shift()));
        continue;
      }
      pauses = [...PAUSES_MS];
      if (!again) return this.#ended(report);
    }
    throw new Error("sync does not come to an end");
  }

  #reach() {
    if (this.#offline) throw new Error("offline");
  }

  #request() {
    let room = PUSH_BYTES_MAX;
    const daybooks = [...this.books.values()].map((book) => {
      const changes = [];
      for (const { bytes } of book.more || (book.barred && !book.holds) ? [] : book.unsent().slice(0, PUSH_CHANGES_MAX)) {
        if (bytes.length > room && changes.length > 0) break;
        room -= bytes.length;
        changes.push(base64url(bytes));
      }
      return { id: book.id, cursor: book.cursor, changes };
    });
    const verdicts = this.#verdictsAfter ? { verdicts_after: this.#verdictsAfter } : {};
    return { device_time: new Date(this.clock()).toISOString(), daybooks, ...verdicts };
  }

  /** Takes the answer for one daybook; says whether another request is needed, or that nothing came of it. */
  async #take(answer, serverTime, report) {
    const book = this.book(answer.id);
    // One replica of the server may know of it some seconds before another: the next sync looks again.
    if (report.barred.includes(book.id) && !answer.holds_until) return false;
    switch (answer.state) {
      case "busy":
        return "stalled";
      case "gone":
        this.books.delete(answer.id);
        return false;
      case "not_found":
        return answer.holds_until ? this.#left(book, answer, serverTime, report) : this.#askFor(book, report);
      case "restart":
        report.restarts += 1;
        book.heads = [];
        book.held.clear();
        book.there.clear();
    }
    [book.barred, book.holds] = [null, false];
    let again = this.#merge(book, answer, serverTime, report);
    if (answer.snapshot) again = await this.#catchUp(book, report);
    // Until nothing else is unsent; then the one recovery.
    if (again !== false || !(book.forked || book.refused.size > 0)) return again;
    report.reloads += 1;
    await this.#reload(book);
    return true;
  }

  /** Takes the answer for a daybook of a group that this person has left: what they push there is held. */
  #left(book, answer, serverTime, report) {
    [book.barred, book.holds, book.more] = ["left_group", true, false];
    book.forgetExpired(serverTime);
    const { deferred, settled } = this.#note(book, answer.outcomes, report);
    if (!report.barred.includes(book.id)) report.barred.push(book.id);
    return deferred && !settled ? "stalled" : deferred || book.unsent().length > 0;
  }

  /**
   * Asks for a daybook that was not found. A server that was restored may have lost it, so whoever may have it makes
   * it again and pushes everything; a group's for the group, never as the person's own. Says whether it is there.
   */
  async #askFor(book, report) {
    const { id, group } = book;
    try {
      await this.session.post("/v1/daybooks", group ? { id, party_id: group } : { id });
    } catch (error) {
      if (!["not_found", "id_reused"].includes(error.code)) throw error;
      [book.barred, book.holds] = [error.code, false];
      report.barred.push(id);
      return false;
    }
    const nothing = { cursor: null, heads: [], held: [], barred: null };
    this.books.set(id, new Book(id, { ...book.stored(), ...nothing }));
    return true;
  }

  /** Learns whose the daybooks are that others began, while the server tells: who has left a group is not told. */
  async #learnOwners() {
    const unknown = ({ id, group, barred, cursor }) => id !== this.own && group === undefined && !barred && cursor;
    if (![...this.books.values()].some(unknown)) return;
    const { party_id: me, daybooks } = await this.session.get("/v1/me");
    for (const { id, party_id: owner } of daybooks) {
      if (this.books.has(id)) this.books.get(id).group = owner === me ? null : owner;
    }
  }

  /**
   * What a sync ends with. Where the phone's own daybook is barred, nothing that is recorded here arrives, which must
   * not pass for a good end.
   */
  #ended(report) {
    const code = this.books.get(this.own)?.barred;
    if (code) throw new Refused(409, code, "the server does not take this phone's own daybook");
    return report;
  }

  #merge(book, answer, serverTime, report) {
    book.forgetExpired(serverTime);
    const noted = this.#note(book, answer.outcomes, report);
    const { deferred } = noted;
    const settled = answer.changes.length > 0 || noted.settled;
    try {
      book.apply(answer.changes.map(fromBase64url));
    } catch {
      book.forked = true;
    }
    if (book.forked) {
      book.more = false;
      if (deferred && !settled) return "stalled";
      return deferred || book.unsent().length > 0;
    }
    book.cursor = answer.cursor;
    book.more = answer.more;
    if (answer.heads) book.takeHeads(answer.heads);
    if (deferred && !settled && !book.more) return "stalled";
    if (book.more || deferred) return true;
    if (book.lacks()) {
      book.cursor = null;
      return true;
    }
    return book.unsent().length > 0;
  }

  /** Notes what became of each change that was pushed: whether some are to be sent again, and some are not. */
  #note(book, outcomes, report) {
    for (const { hash, outcome, code, expires_at: until } of outcomes) {
      report[outcome] += 1;
      if (outcome === "held") book.held.set(hash, until);
      if (outcome === "accepted" || outcome === "duplicate") book.there.add(hash);
      if (outcome === "refused") book.refused.set(hash, code);
    }
    const deferred = outcomes.some(({ outcome }) => outcome === "deferred");
    return { deferred, settled: outcomes.some(({ outcome }) => outcome !== "deferred") };
  }

  /** Takes the server's document in place of changes; says whether another request is needed. */
  async #catchUp(book, report) {
    const { bytes, cursor } = await download(this.session, book);
    report.snapshots += 1;
    book.more = false;
    try {
      book.catchUp(bytes, cursor);
    } catch {
      book.forked = true;
      return book.unsent().length > 0;
    }
    return true;
  }

  async #reload(book) {
    const { bytes, cursor } = await download(this.session, book);
    this.books.set(book.id, await reloaded(book, bytes, cursor));
    this.register = hex(random(4)); // a copy of this phone may go on counting in the one that it had
  }
}
