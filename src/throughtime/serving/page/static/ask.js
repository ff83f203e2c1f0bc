// Asking the server: its key, its errors, answers that come in lines.

const KEPT = "throughtime-key";

/** What the server says when it does not answer as it should. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Keeps the key for as long as this tab is open. */
export const keepKey = (key) => sessionStorage.setItem(KEPT, key);

/** The key, and nothing where there is none. */
export const key = () => sessionStorage.getItem(KEPT) ?? "";

async function fetched(address, given) {
  const headers = { ...given.headers };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  let answer;
  try {
    answer = await fetch(address, { ...given, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new Refused(answer.status, told?.error?.message ?? `the server answered ${answer.status}`);
}

const posted = (body, signal) => ({
  method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal,
});

/** What the server has at an address. */
export const get = async (address) => (await fetched(address, {})).json();

/** What it answers to plain data, or to a form with files. */
export async function post(address, body, signal) {
  const given = body instanceof FormData ? { method: "POST", body, signal } : posted(body, signal);
  return (await fetched(address, given)).json();
}

/** What a model makes of inputs, `predictions` and `warnings`. */
export const predict = (model, inputs, options, signal) => post(`/predict/${model.id}`, { inputs, options }, signal);

/** What it makes of a file, likewise. */
export async function predictFile(model, file, options, signal) {
  const form = new FormData();
  form.append("file", file);
  form.append("options", JSON.stringify(options));
  return post(`/predict/${model.id}`, form, signal);
}

/** What it answers line by line, as it comes. */
export async function* lines(address, body, signal) {
  const answer = await fetched(address, posted(body, signal));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const parts = rest.split("\n");
    rest = parts.pop();
    for (const line of parts) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

/** Floats as the server packs them. */
export const floats = (packed) => new Float32Array(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer);

/**
 * A stream of a model: `hear` is told each event, the greeting first, `fail` what went wrong. Gives `send(piece)`, which
 * waits until there is a connection, and `close()`.
 */
export function stream(model, options, hear, fail) {
  const address = `${location.origin.replace(/^http/, "ws")}/stream/${model.id}`;
  const socket = new WebSocket(address, key() ? ["throughtime", `key.${key()}`] : []); // no header of a socket is ours to set
  const waiting = [];
  const send = (piece) => {
    if (socket.readyState === WebSocket.CONNECTING) waiting.push(piece);
    else if (socket.readyState === WebSocket.OPEN) socket.send(ArrayBuffer.isView(piece) ? piece : JSON.stringify(piece));
  };
  socket.onopen = () => [{ open: options }, ...waiting.splice(0)].forEach(send);
  socket.onmessage = ({ data }) => {
    const told = JSON.parse(data);
    if (told.error) fail(new Refused(told.error.code, told.error.message)); else hear(told);
  };
  return { send, close: () => socket.close() };
}
