// One daybook on a phone: document, cursor and the server's heads, kept and stored together.

import * as Automerge from "@automerge/automerge";

export class Book {
  doc;
  /** As the last answer gave it. */
  cursor = null;
  /** Heads of the server's document, as last told. */
  heads = [];
  /** What the server holds, and until when at least, by hash. */
  held = new Map();
  /** Codes of refused changes, by hash. */
  refused = new Map();
  /** The server's changes and this document's do not go together: one actor went two ways. Until the reload. */
  forked = false;
  /** The server has more to send: nothing is pushed meanwhile. */
  more = false;

  /** Pushed and taken, whatever the heads say: a daybook that forked learns of no heads. */
  there = new Set();
  /** Hashes of changes that a reload wrote. */
  rewritten = new Set();
  /** What no server takes, by activity and field, with the code of the refusal: a reload leaves it out. */
  aside = new Map();

  /** Whose it is: a group's id, null for the phone's person, undefined while the phone has not learnt it. */
  group;
  /** Why this person may not write in it, in the server's word: nothing is dropped meanwhile. */
  barred = null;
  /** They have left the group, and the server holds what they push; else nothing is pushed where it is barred. */
  holds = false;

  /** A download that was cut. */
  download = null;

  /** An empty daybook, or one from the phone's storage; in both cases under a fresh actor if none is given. */
  constructor(id, stored, actor) {
    this.id = id;
    this.doc = stored ? Automerge.load(stored.bytes, { actor }) : Automerge.init({ actor });
    if (stored) {
      this.cursor = stored.cursor;
      this.heads = [...stored.heads];
      this.held = new Map(stored.held);
      this.refused = new Map(stored.refused);
      this.rewritten = new Set(stored.rewritten);
      this.aside = new Map(stored.aside);
      this.group = stored.group;
      this.barred = stored.barred ?? null;
      this.holds = stored.holds ?? false;
    }
  }

  /** What one storage transaction writes; also what an old copy of the phone holds. */
  stored() {
    const { cursor, group, barred, holds } = this;
    const [heads, held, refused] = [this.heads, this.held, this.refused].map((some) => [...some]);
    const [rewritten, aside] = [this.rewritten, this.aside].map((some) => [...some]);
    const server = { cursor, heads, held, refused, group, barred, holds };
    return { bytes: Automerge.save(this.doc), rewritten, aside, ...server };
  }

  has(hash) {
    return Automerge.hasHeads(this.doc, [hash]);
  }

  /** Changes that the server may lack, in causal order, without those that it holds or refused. */
  unsent() {
    const known = this.heads.filter((hash) => this.has(hash));
    return Automerge.getChangesSince(this.doc, known)
      .map((bytes) => ({ bytes, hash: Automerge.decodeChange(bytes).hash }))
      .filter(({ hash }) => !this.held.has(hash) && !this.there.has(hash) && !this.refused.has(hash));
  }

  /** Whether the phone lacks something that the server says it has. */
  lacks() {
    return this.heads.some((hash) => !this.has(hash));
  }

  /** Takes changes of the server. */
  apply(changes) {
    for (const bytes of changes) this.doc = Automerge.loadIncremental(this.doc, bytes);
  }

  /** Merges the server's document, downloaded in place of changes that it no longer keeps one by one. */
  catchUp(bytes, cursor) {
    const server = Automerge.load(bytes);
    this.doc = Automerge.merge(this.doc, server);
    this.cursor = cursor;
    this.takeHeads(Automerge.getHeads(server));
  }

  /** What may have expired is sent again. */
  forgetExpired(serverTime) {
    this.held = new Map([...this.held].filter(([, until]) => !until || Date.parse(until) > Date.parse(serverTime)));
  }

  /**
   * The server's heads, which have moved. What it has admitted meanwhile is held no longer; and of the rest the
   * first ones are sent again, since it tells of a refusal only in answer to a push.
   */
  takeHeads(heads) {
    this.heads = heads;
    this.there.clear();
    const known = heads.filter((hash) => this.has(hash));
    const lacking = Automerge.getChangesMetaSince(this.doc, known);
    const after = lacking.filter(({ deps }) => deps.some((dep) => this.held.has(dep)));
    const later = new Set(after.map(({ hash }) => hash));
    this.held = new Map([...this.held].filter(([hash]) => later.has(hash)));
  }
}
