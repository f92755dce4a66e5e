// A daybook's stored bytes, part by part: what was cut goes on where it was cut.

/** The longest part: as much as is lost where the signal goes. */
const PART_BYTES = 256 * 1024;

/** Downloads; what has arrived stays in `book.download` until it is whole. Answers bytes and cursor. */
export async function download(session, book) {
  for (;;) {
    const begun = book.download;
    const from = begun ? begun.bytes.length : 0;
    const headers = { range: `bytes=${from}-${from + PART_BYTES - 1}` };
    if (begun) headers["if-range"] = begun.etag;
    const response = await session.call("GET", `/v1/daybooks/${book.id}`, { headers });
    const [etag, cursor] = ["etag", "daybook-cursor"].map((name) => response.headers.get(name));
    const part = new Uint8Array(await response.arrayBuffer());
    if (response.status !== 206) {
      book.download = null;
      return { bytes: part, cursor };
    }
    const [, first, total] = response.headers.get("content-range").match(/^bytes (\d+)-\d+\/(\d+)$/);
    if (Number(first) !== from) throw new Error("not the part asked for");
    const bytes = new Uint8Array(from + part.length);
    if (begun) bytes.set(begun.bytes);
    bytes.set(part, from);
    book.download = bytes.length < Number(total) ? { etag, bytes } : null;
    if (!book.download) return { bytes, cursor };
  }
}
