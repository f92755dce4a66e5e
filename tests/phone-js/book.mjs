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
    }
  }

  /** What one storage transaction writes; also what an old copy of the phone holds. */
  stored() {
    const { cursor, heads, held, refused } = this;
    const bytes = Automerge.save(this.doc);
    return { bytes, cursor, heads: [...heads], held: [...held], refused: [...refused] };
  }

  has(hash) {
    return Automerge.hasHeads(this.doc, [hash]);
  }

  /** Changes that the server may lack, in causal order, without those that it holds or refused. */
  unsent() {
    const known = this.heads.filter((hash) => this.has(hash));
    return Automerge.getChangesSince(this.doc, known)
      .map((bytes) => ({ bytes, hash: Automerge.decodeChange(bytes).hash }))
      .filter(({ hash }) => !this.held.has(hash) && !this.refused.has(hash));
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

  /** The server's heads; what it has admitted meanwhile is held no longer. */
  takeHeads(heads) {
    this.heads = heads;
    const known = heads.filter((hash) => this.has(hash));
    const lacking = new Set(Automerge.getChangesMetaSince(this.doc, known).map(({ hash }) => hash));
    this.held = new Map([...this.held].filter(([hash]) => lacking.has(hash)));
  }

  /** Heads of what remains of the document without the refused changes and all that depends on them. */
  frontierWithoutRefused() {
    const heads = new Set();
    const out = new Set();
    for (const { hash, deps } of Automerge.getChangesMetaSince(this.doc, [])) {
      if (this.refused.has(hash) || deps.some((dep) => out.has(dep))) {
        out.add(hash);
        continue;
      }
      for (const dep of deps) heads.delete(dep);
      heads.add(hash);
    }
    return [...heads];
  }
}
