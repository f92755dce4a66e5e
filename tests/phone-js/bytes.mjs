// Small things about bytes: base64url, UUIDv7, randomness, hashes.

export const random = (length) => crypto.getRandomValues(new Uint8Array(length));

export const hex = (bytes) => Buffer.from(bytes).toString("hex");

export const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

export const fromBase64url = (text) => new Uint8Array(Buffer.from(text, "base64url"));

export const sha256 = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", Buffer.from(text)));

/** A UUIDv7 made on the phone, by the phone's clock. */
export function uuid7(nowMs) {
  const bytes = Buffer.from(random(16));
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
