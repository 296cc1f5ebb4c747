// The service's public addresses; nothing here that a client could not do.
const BASE = new URL("../", document.baseURI);
const KEY = "superres.key";
const WAITS = 8; // how often a busy service is asked again
const LONGEST_WAIT = 60; // seconds
const BUSY = [429, 503];
const IN_VAIN = ["model_unavailable", "timeout"]; // 503 as well, but asking again does not help

/** What the service says when it cannot: a code, what is wrong, what helps. */
export class ServiceError extends Error {
  constructor(message, { code = "failed", cure = "", status = 0, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { code, cure, status, retryAfter });
  }
}

let asking = null;
let askForKey = async () => "";
/** Say how a person is asked for the API key; the function resolves to it, or to "". */
export const onKeyNeeded = (ask) => { askForKey = ask; };

export const hasKey = () => Boolean(sessionStorage.getItem(KEY));
const headers = () => (hasKey() ? { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` } : {});

async function newKey() {
  asking ??= askForKey().finally(() => { asking = null; });
  const key = await asking;
  if (key) sessionStorage.setItem(KEY, key);
  return Boolean(key);
}

export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return url;
}

function failure(status, text, retryAfter) {
  try {
    const { code, message, cure } = JSON.parse(text).error;
    return new ServiceError(message, { code, cure, status, retryAfter });
  } catch {
    return new ServiceError(`The service answered ${status}.`, { status, retryAfter });
  }
}

const lost = () => new ServiceError("The service cannot be reached.", {
  code: "unreachable", cure: "Check the connection, then try again.",
});

export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** Wait as long as a busy service says; throw what asking again cannot mend. */
async function waited(error, tries, { waits, onWait, signal }) {
  if (!BUSY.includes(error.status) || IN_VAIN.includes(error.code) || tries >= waits) throw error;
  onWait?.(error);
  await pause(Math.min(LONGEST_WAIT, Math.max(1, error.retryAfter)), signal);
}

/** Ask; a busy service is asked again after the seconds it names. */
export async function request(path, { method = "GET", body, query, signal, waits = WAITS, onWait } = {}) {
  for (let tries = 0; ; tries += 1) {
    let answer;
    try {
      answer = await fetch(address(path, query), { method, body, signal, headers: headers() });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw lost();
    }
    if (answer.ok) return answer;
    const wait = Number(answer.headers.get("Retry-After")) || 0;
    if (answer.status === 401 && (await newKey())) continue;
    await waited(failure(answer.status, await answer.text(), wait), tries, { waits, onWait, signal });
  }
}

/** Send a form and hear how much of it has left, again when the service is busy; resolves to JSON. */
export async function send(path, form, { query, onProgress, signal, waits = WAITS, onWait }) {
  for (let tries = 0; ; tries += 1) {
    const { status, text, retryAfter } = await sent(path, form, { query, onProgress, signal });
    if (status >= 200 && status < 300) return JSON.parse(text);
    if (status === 401 && (await newKey())) continue;
    await waited(failure(status, text, retryAfter), tries, { waits, onWait, signal });
  }
}

function sent(path, form, { query, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", address(path, query));
    for (const [name, value] of Object.entries(headers())) call.setRequestHeader(name, value);
    call.upload.addEventListener("progress", (event) => onProgress?.(event.loaded, event.total));
    call.addEventListener("load", () => resolve({
      status: call.status, text: call.responseText, retryAfter: Number(call.getResponseHeader("Retry-After")) || 0,
    }));
    call.addEventListener("error", () => reject(lost()));
    call.addEventListener("abort", () => reject(signal.reason));
    signal?.addEventListener("abort", () => call.abort(), { once: true });
    call.send(form);
  });
}

export const json = async (path, options) => (await request(path, options)).json();
