/** The running Parleys that the tests talk to, by plain requests beside useChat's own. */
import assert from "node:assert/strict";

/** Has the built-in demo model, which speaks at its own pace. */
export const demo = server("demo", "PARLEY_URL", "PARLEY_TOKEN");

/** Has a model that answers at once, as `scripted.ts` says. */
export const scripted = server("scripted", "PARLEY_SCRIPTED_URL", "PARLEY_SCRIPTED_TOKEN");

function server(model, url, token) {
  return { model, url: setting(url).replace(/\/$/, ""), token: setting(token) };
}

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see run.sh`);
  return value;
}

/** Makes a chat. It has a title, so that no model is asked for one. */
export async function newChat(server) {
  const { id } = await read(ask(server, "POST", "/api/v2/chats", { title: "A chat" }));
  return { id, server, path: `/api/v2/chats/${id}` };
}

/** The stored messages of a chat in the form of AI SDK 5 and later. */
export async function history({ server, path }) {
  return await read(ask(server, "GET", `${path}/messages?protocol=ui`));
}

/** The history once no answer is being made. */
export async function settledHistory(chat) {
  const live = await ask(chat.server, "GET", `${chat.path}/stream`);
  await live.text();
  return await history(chat);
}

/** The calls of a chat that wait for a yes. */
export async function approvals({ server, id }) {
  const { approvals } = await read(ask(server, "GET", `/api/v2/approvals?chat=${id}`));
  return approvals;
}

/** Says yes or no to a call, by the route. */
export async function answerApproval({ server }, id, answer) {
  return await read(ask(server, "POST", `/api/v2/approvals/${id}`, answer));
}

/** Stops the answer that is being made. */
export async function stopRun({ server, path }) {
  return await read(ask(server, "POST", `${path}/stop`));
}

/** Lets the scripted model finish what it was asked for in the chat by `held`. */
export async function release({ server, id }) {
  const { path } = await newChat(server);
  const message = { role: "user", content: `release ${id}` };
  const response = await ask(server, "POST", `${path}/messages`, { message, model: server.model });
  assert.ok(response.ok);
  await response.text();
}

/** A text to which the scripted model says one half, and the other once the chat is released. */
export function held({ id }) {
  return `hold ${id}`;
}

async function read(asked) {
  const response = await asked;
  assert.ok(response.ok, `${response.status} of ${response.url}`);
  return await response.json();
}

function ask({ url, token }, method, path, body) {
  return fetch(url + path, {
    method,
    headers: {
      "Coder-Session-Token": token,
      ...(body && { "Content-Type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
}
