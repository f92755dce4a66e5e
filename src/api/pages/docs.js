// The reference: made from this server's own OpenAPI document.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const FOR_COORDINATORS = ["reconcile", "manage"];
const DEPTH_MAX = 6;
const byId = (id) => document.getElementById(id);

// An element with attributes and children; text goes in as text, never as markup.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

// Words between backticks are code.
function words(text = "") {
  return text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));
}

function paragraphs(text = "") {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => make("p", {}, words(part)));
}

let api;

function resolved(thing) {
  let found = thing ?? {};
  for (let steps = 0; found.$ref && steps < 10; steps += 1) {
    const target = found.$ref.slice(2).split("/").reduce((at, key) => at?.[key.replace(/~1/g, "/").replace(/~0/g, "~")], api);
    found = { ...target, description: found.description ?? target?.description };
  }
  return found;
}

// What a schema is, without the "or nothing" that every optional field has.
function bare(schema) {
  const found = resolved(schema);
  const choices = (found.oneOf ?? found.anyOf ?? []).filter((choice) => choice.type !== "null");
  if (choices.length === 1) {
    const inner = bare(choices[0]);
    return { ...inner, description: found.description ?? choices[0].description ?? inner.description };
  }
  return found;
}

function kindOf(schema) {
  const found = bare(schema);
  const kinds = [found.type].flat().filter((kind) => kind && kind !== "null");
  if (kinds[0] === "array") return `list of ${plural(kindOf(found.items))}`;
  if (found.format === "uuid") return "UUID";
  if (found.format === "date-time") return "time";
  if (found.format === "date") return "day";
  if (found.contentEncoding) return "bytes, base64url in JSON";
  return kinds[0] ?? "any value";
}

function plural(kind) {
  const irregular = { "any value": "any values", "bytes, base64url in JSON": "bytes, base64url in JSON", day: "days" };
  return irregular[kind] ?? (kind.startsWith("list of") ? kind.replace("list", "lists") : `${kind}s`);
}

function limits(schema) {
  const found = bare(schema);
  const said = [];
  if (found.minLength !== undefined || found.maxLength !== undefined) {
    said.push(`${found.minLength ?? 0} to ${found.maxLength ?? "any number of"} characters`);
  }
  if (found.minimum !== undefined) said.push(`at least ${found.minimum}`);
  if (found.maximum !== undefined) said.push(`at most ${found.maximum}`);
  if (found.maxItems !== undefined) said.push(`at most ${found.maxItems}`);
  return said.length ? `, ${said.join(", ")}` : "";
}

function oneOfWords(schema) {
  const found = bare(schema);
  const list = found.enum ?? bare(found.items).enum;
  if (!list) return undefined;
  const parts = list.flatMap((word, at) => (at ? [" ", make("code", {}, word)] : [make("code", {}, word)]));
  return make("p", {}, "One of ", parts);
}

// The fields of an object, or of the items of a list; deeper ones stand in a fold.
function fields(schema, asked, seen = []) {
  let found = bare(schema);
  while ([found.type].flat().includes("array")) found = bare(found.items);
  const properties = Object.entries(found.properties ?? {});
  if (!properties.length || seen.length >= DEPTH_MAX || seen.includes(found.properties)) return undefined;
  const required = found.required ?? [];
  // What is asked for first: then a reader sees at once what a request needs.
  const order = asked ? [...properties].sort(([a], [b]) => required.includes(b) - required.includes(a)) : properties;
  const items = order.map(([name, property]) => {
    const inner = fields(property, asked, [...seen, found.properties]);
    const need = asked ? (required.includes(name) ? "required" : "") : required.includes(name) ? "" : "may be absent";
    return make(
      "li",
      {},
      make("code", { class: "field" }, name),
      " ",
      make("span", { class: "kind" }, kindOf(property) + limits(property)),
      " ",
      need && make("span", { class: asked ? "need" : "kind" }, need),
      paragraphs(property.description ?? bare(property).description),
      oneOfWords(property),
      inner && make("details", { class: "more" }, make("summary", {}, `Fields of ${name}`), inner),
    );
  });
  return make("ul", { class: "fields" }, items);
}

function sample(text, label) {
  const code = make("code", {}, text);
  const button = make("button", { class: "button", type: "button", "aria-live": "polite", title: `Copy the ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without a secure connection browsers refuse: it is marked, ready to be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = "Marked";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return make("div", { class: "sample" }, make("pre", { tabindex: "0", "aria-label": label }, code), button);
}

const json = (value) => JSON.stringify(value, null, 2);
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function parametersOf(operation, place) {
  return (operation.parameters ?? []).map(resolved).filter((parameter) => parameter.in === place);
}

function curl(method, path, operation) {
  let url = path;
  for (const parameter of parametersOf(operation, "path")) {
    url = url.replace(`{${parameter.name}}`, encodeURIComponent(parameter.example ?? `<${parameter.name}>`));
  }
  const query = parametersOf(operation, "query")
    .filter((parameter) => parameter.example !== undefined && parameter.name !== "after")
    .map((parameter) => `${parameter.name}=${encodeURIComponent(parameter.example).replaceAll("%2C", ",")}`);
  if (query.length) url += `?${query.join("&")}`;
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`} ${quoted(location.origin + url)}`];
  const schemes = (operation.security ?? []).flatMap((one) => Object.keys(one));
  if (schemes.includes("operator")) lines.push('-H "Authorization: Bearer $OPERATOR_TOKEN"');
  else if (schemes.length) lines.push('-H "Authorization: Bearer $TOKEN"');
  if (parametersOf(operation, "header").some((parameter) => parameter.name === "DPoP")) lines.push('-H "DPoP: $PROOF"');
  const content = operation.requestBody?.content ?? {};
  const body = content["application/json"]?.example;
  const form = content["application/x-www-form-urlencoded"]?.example;
  if (body) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(json(body))}`);
  for (const [name, value] of Object.entries(form ?? {})) lines.push(`--data-urlencode ${quoted(`${name}=${value}`)}`);
  const binary = Object.values(operation.responses).some((response) => response.content?.["application/octet-stream"]);
  if (binary) lines.push("-o daybook.automerge");
  return lines.join(" \\\n  ");
}

function who(operation) {
  const needs = operation.security ?? [];
  const schemes = needs.flatMap((one) => Object.keys(one));
  const scopes = [...new Set(needs.flatMap((one) => Object.values(one).flat()))];
  if (!schemes.length) {
    const proved = parametersOf(operation, "header").some((parameter) => parameter.name === "DPoP");
    return [proved ? "Anybody with a proof of the phone’s key." : "Anybody: no token is needed."];
  }
  if (schemes.includes("operator")) return ["Whoever runs the server, with the operator’s token."];
  const kinds = "A phone’s token or a personal token";
  if (!scopes.length) return [`${kinds}, of any scope.`];
  const named = scopes.flatMap((scope) => [" ", make("code", {}, scope)]);
  const coordinators = scopes.some((scope) => FOR_COORDINATORS.includes(scope));
  return [`${kinds} with the scope`, named, coordinators ? ", held by a coordinator." : "."];
}

function parameters(operation) {
  const all = ["path", "query", "header"].flatMap((place) => parametersOf(operation, place));
  if (!all.length) return [];
  const items = all.map((parameter) =>
    make(
      "li",
      {},
      make("code", { class: "field" }, parameter.name),
      " ",
      make("span", { class: "kind" }, `${kindOf(parameter.schema)}${limits(parameter.schema)}, in the ${parameter.in}`),
      " ",
      parameter.required ? make("span", { class: "need" }, "required") : "",
      paragraphs(parameter.description),
      oneOfWords(parameter.schema),
    ),
  );
  return [make("h4", {}, "Parameters"), make("ul", { class: "fields" }, items)];
}

function request(operation) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  const schema = Object.values(content)[0].schema;
  const kinds = Object.keys(content).reverse().flatMap((kind, at) => [at ? " or " : "", make("code", {}, kind)]);
  return [make("h4", {}, "Request, ", kinds), paragraphs(resolved(schema).description), fields(schema, true)];
}

function responses(operation) {
  const parts = [];
  let shown;
  // What is new comes before what was there.
  const good = Object.entries(operation.responses).filter(([status]) => /^[23]/.test(status));
  good.sort(([a], [b]) => (b === "201") - (a === "201"));
  for (const [status, response] of good) {
    parts.push(make("h4", {}, `Answer ${status}`), make("p", {}, words(response.description)));
    for (const [name, header] of Object.entries(response.headers ?? {})) {
      parts.push(make("p", {}, make("code", {}, name), ": ", words(header.description)));
    }
    const content = Object.values(response.content ?? {})[0];
    // 200 and 201 often answer the same: it is told once.
    if (!content?.schema || json(content.schema) === shown) continue;
    shown = json(content.schema);
    const list = fields(content.schema, false);
    if (list) parts.push(make("details", { class: "more" }, make("summary", {}, "Fields of the answer"), list));
    if (content.example !== undefined) {
      parts.push(sample(json(content.example), `example of an answer to ${operation.operationId}`));
    }
  }
  return parts;
}

function problems(operation) {
  const items = [];
  for (const [status, response] of Object.entries(operation.responses)) {
    if (/^[23]/.test(status)) continue;
    const codes = [...(resolved(response).description ?? "").matchAll(/`([a-z_]+)`: /g)].map((found) => found[1]);
    const links = codes.map((code) => make("a", { href: `/docs/errors#${code}` }, make("code", {}, code)));
    const said = links.length ? links : [make("span", {}, words(resolved(response).description))];
    items.push(make("li", {}, make("span", { class: "status" }, status), make("span", {}, said)));
  }
  return items.length ? [make("h4", {}, "Errors"), make("ul", { class: "problems" }, items)] : [];
}

function inside(method, path, operation) {
  return make(
    "div",
    { class: "inside" },
    paragraphs(operation.description),
    make("p", { class: "who" }, make("strong", {}, "Who"), make("span", {}, who(operation))),
    sample(curl(method, path, operation), `curl line for ${operation.operationId}`),
    parameters(operation),
    request(operation),
    responses(operation),
    problems(operation),
  );
}

function operationElement(method, path, operation) {
  const element = make(
    "details",
    { class: "op", id: `op-${operation.operationId}` },
    make(
      "summary",
      {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path.split(/(?=\/)/).map((part) => [make("wbr"), part])),
      make("span", { class: "short" }, words(operation.summary)),
    ),
  );
  const scopes = (operation.security ?? []).flatMap((one) => [...Object.keys(one), ...Object.values(one).flat()]);
  element.dataset.find = [method, path, operation.operationId, operation.summary, operation.description, ...scopes]
    .join(" ")
    .toLowerCase();
  // Most are never opened: what is inside is made when somebody looks.
  element.addEventListener("toggle", () => {
    if (element.open && element.children.length === 1) element.append(inside(method, path, operation));
  });
  return element;
}

function render() {
  const groups = new Map(api.tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) groups.get(operation.tags[0])?.operations.push(operationElement(method, path, operation));
    }
  }
  const title = (name) => name[0].toUpperCase() + name.slice(1);
  const links = [];
  for (const { tag, operations } of groups.values()) {
    if (!operations.length) continue;
    const id = `tag-${tag.name}`;
    byId("reference").append(
      make(
        "section",
        { class: "group", "aria-labelledby": id },
        make("h3", { id }, title(tag.name)),
        make("p", {}, words(tag.description)),
        operations,
      ),
    );
    links.push(make("li", {}, make("a", { href: `#${id}` }, title(tag.name))));
  }
  byId("groups").replaceChildren(...links);
  byId("finder").hidden = false;
}

function filter() {
  const asked = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  const all = document.querySelectorAll(".op");
  for (const element of all) {
    element.hidden = !asked.every((word) => element.dataset.find.includes(word));
    shown += element.hidden ? 0 : 1;
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = !group.querySelector(".op:not([hidden])");
  }
  byId("count").textContent =
    shown === all.length
      ? `${all.length} operations.`
      : shown
        ? `${shown} of ${all.length} operations.`
        : "No operation fits. Try a shorter word.";
}

// A link to an operation opens it.
function follow() {
  const target = byId(location.hash.slice(1));
  if (target?.matches(".op")) {
    target.open = true;
    target.scrollIntoView();
  }
}

async function start() {
  for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;
  try {
    const response = await fetch("/v1/openapi.json");
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    api = await response.json();
    render();
    filter();
    follow();
  } catch (error) {
    byId("count").textContent = `The operations could not be loaded: ${error.message}. Load the page again, or read the OpenAPI document.`;
  }
}

byId("filter").addEventListener("input", filter);
addEventListener("hashchange", follow);
start();
