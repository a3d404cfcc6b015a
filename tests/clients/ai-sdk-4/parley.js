/** The running Parley that the tests talk to, by plain requests beside useChat's own. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

export const url = setting("PARLEY_URL").replace(/\/$/, "");
export const token = setting("PARLEY_TOKEN");

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests need a running Parley`);
  return value;
}

/** Makes a chat and gives its id. */
export async function newChat() {
  const response = await ask("POST", "/api/v2/chats");
  assert.equal(response.status, 201);
  return (await response.json()).id;
}

/** The stored messages of a chat. */
export async function history(chat) {
  const response = await ask("GET", `/api/v2/chats/${chat}/messages`);
  assert.equal(response.status, 200);
  return await response.json();
}

/** The history once it has `count` messages: nothing tells a client of v4 when a run has ended. */
export async function historyOf(count, chat) {
  for (let tries = 0; tries < 200; tries++) {
    const messages = await history(chat);
    if (messages.length >= count) return messages;
    await sleep(100);
  }
  throw new Error(`chat ${chat} did not get ${count} messages`);
}

/** Ends the answer in progress, as the README's page does. */
export function stopAnswer(chat) {
  return ask("POST", `/api/v2/chats/${chat}/stop`);
}

/** The calls of a chat that wait for a yes. */
export async function approvals(chat) {
  return (await (await ask("GET", `/api/v2/approvals?chat=${chat}`)).json()).approvals;
}

/** Says yes or no to a call, and waits until the answer that goes on has ended. */
export async function answerApproval(chat, id, answer) {
  const response = await ask("POST", `/api/v2/approvals/${id}`, answer);
  assert.equal(response.status, 200);
  const { run } = await response.json();
  await (await ask("GET", `/api/v2/chats/${chat}/stream?run=${run.id}`)).text();
}

function ask(method, path, body) {
  return fetch(url + path, {
    method,
    headers: {
      "Coder-Session-Token": token,
      ...(body && { "Content-Type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
}
