/**
 * The API through openapi-fetch, with the types that openapi-typescript makes of openapi.json: what the document does
 * not say does not compile. Records an hour of work and reads the newest records.
 *
 *     npx tsx typed.ts --minutes 30
 */
import { parseArgs } from "node:util";

import createClient from "openapi-fetch";

import type { components, paths } from "../openapi/types.ts";

const { values } = parseArgs({
  options: { url: { type: "string" }, token: { type: "string" }, id: { type: "string" }, minutes: { type: "string" } },
});
const baseUrl = values.url ?? process.env.DAYBOOK_URL ?? "http://127.0.0.1:8080";
const token = values.token ?? process.env.DAYBOOK_TOKEN ?? "";
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } });

/** The answer, or the server's problem as an error. */
function answered<Answer>({ data, error }: { data?: Answer; error?: components["schemas"]["Problem"] }): Answer {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail}`);
  return data;
}

const me = answered(await client.GET("/v1/me"));
// An app makes the id itself and stores it before it sends (record.ts has a uuid7); here it may come from outside.
if (values.id !== undefined) {
  const draft: components["schemas"]["ActivityDraft"] = {
    id: values.id,
    kind: "hours",
    day: new Date().toISOString().slice(0, 10),
    parties: [{ party_id: me.party_id, minutes: Number(values.minutes ?? 60) }],
  };
  const { items } = answered(await client.POST("/v1/activities", { body: { items: [draft] } }));
  for (const { id, status, code } of items) console.log(`${status} ${id}${code ? ` ${code}` : ""}`);
}
const page = answered(await client.GET("/v1/activities", { params: { query: { limit: 5 } } }));
for (const { id, day, kind, parties } of page.items) {
  console.log(`${id}  ${day}  ${kind}  ${parties.reduce((sum, { minutes }) => sum + minutes, 0)} min`);
}
