// A phone's standing with the server: a key that never leaves WebCrypto, tokens, the server's nonce.

import { base64url, random, sha256 } from "./bytes.mjs";

/** Requests of one call: the first, one with a fresh nonce, one with a fresh token, and one more. */
const TRIES_MAX = 4;

/** What the server answered instead of what was asked for. */
export class Refused extends Error {
  constructor(status, code, detail) {
    super(`${status} ${code}: ${detail}`);
    this.status = status;
    this.code = code;
  }
}

export class Session {
  #key;
  #jwk;
  #url;
  #clock;
  nonce = null;
  accessToken = null;
  refreshToken = null;

  /** The clock, in milliseconds, may be as wrong as phones' clocks are. */
  static async create(url, clock) {
    const session = new Session();
    session.#url = url.replace(/\/$/, "");
    session.#clock = clock;
    session.#key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", session.#key.publicKey);
    session.#jwk = { kty, crv, x, y };
    return session;
  }

  /** A DPoP proof (RFC 9449) for one request. */
  async #proof(method, path, token) {
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.#jwk };
    const claims = {
      jti: base64url(random(16)),
      htm: method,
      htu: this.#url + path.split("?")[0],
      iat: Math.floor(this.#clock() / 1000),
    };
    if (token) claims.ath = base64url(await sha256(token));
    if (this.nonce) claims.nonce = this.nonce;
    const message = [header, claims].map((part) => base64url(Buffer.from(JSON.stringify(part)))).join(".");
    const how = { name: "ECDSA", hash: "SHA-256" };
    const signature = await crypto.subtle.sign(how, this.#key.privateKey, Buffer.from(message));
    return `${message}.${base64url(new Uint8Array(signature))}`;
  }

  async #once(method, path, type, body, token, more = {}) {
    const headers = { ...more, dpop: await this.#proof(method, path, token) };
    if (body !== undefined) headers["content-type"] = type;
    if (token) headers.authorization = `DPoP ${token}`;
    const response = await fetch(this.#url + path, { method, headers, body });
    this.nonce = response.headers.get("dpop-nonce") ?? this.nonce;
    return response;
  }

  /** One request; a stale nonce or token is renewed on the way. Throws Refused. */
  async call(method, path, { type = "application/json", body, headers } = {}) {
    for (let tries = 1; ; tries += 1) {
      const response = await this.#once(method, path, type, body, this.accessToken, headers);
      if (response.ok) return response;
      const problem = await response.json().catch(() => ({}));
      const { code } = problem;
      if (response.status === 401 && tries < TRIES_MAX) {
        if (code === "use_dpop_nonce") continue;
        if (["token_expired", "token_invalid"].includes(code) && this.refreshToken) {
          await this.refresh();
          continue;
        }
      }
      throw new Refused(response.status, code, problem.detail);
    }
  }

  /** Gets a fresh access token; the refresh token stays what it is. */
  async refresh() {
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: this.refreshToken }).toString();
    for (const last of [false, true]) {
      const response = await this.#once("POST", "/oauth/token", "application/x-www-form-urlencoded", body, null);
      const answer = await response.json();
      if (response.ok) {
        this.accessToken = answer.access_token;
        return;
      }
      if (last || answer.error !== "use_dpop_nonce") {
        throw new Refused(response.status, answer.error, answer.error_description);
      }
    }
  }

  async get(path) {
    return (await this.call("GET", path)).json();
  }

  async post(path, body) {
    return (await this.call("POST", path, { body: JSON.stringify(body) })).json();
  }

  /** Every item of a list, page by page. */
  async list(path) {
    const items = [];
    for (let after = ""; ; ) {
      const page = await this.get(`${path}${path.includes("?") ? "&" : "?"}limit=200${after}`);
      items.push(...page.items);
      if (!page.next) return items;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  }
}
