// The service's public addresses; nothing here that a client could not do.
const BASE = new URL("../", document.baseURI);
const KEY = "superres.key";
const WAITS = 8; // how often a busy service is asked again

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
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
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
    const error = failure(answer.status, await answer.text(), wait);
    if (![429, 503].includes(answer.status) || tries >= waits || error.code === "model_unavailable" || error.code === "timeout") throw error;
    onWait?.(error);
    await pause(Math.min(30, Math.max(1, wait)), signal);
  }
}

/** Send a form and hear how much of it has left; resolves to the JSON of the answer. */
export async function send(path, form, { query, onProgress, signal }) {
  for (;;) {
    const { status, text, retryAfter } = await sent(path, form, { query, onProgress, signal });
    if (status >= 200 && status < 300) return JSON.parse(text);
    if (status === 401 && (await newKey())) continue;
    throw failure(status, text, retryAfter);
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
