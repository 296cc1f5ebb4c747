// The tab of videos: upload, progress, cancel, both players side by side.
import { json, request, send } from "./api.js";
import { $, bytes, duration, make, resultName, save, say, showError, takeDrops } from "./dom.js";
import { forget, keep, stored } from "./tasks.js";

const LINE_WAITS = 60; // how often a full line is asked for a place: about an hour
const OVER = ["completed", "failed", "canceled"];
const WORDS = { pending: "waiting", in_progress: "running", interrupted: "interrupted, goes on by itself", completed: "done", failed: "failed", canceled: "cancelled" };
const originals = new Map(); // task id -> file, as long as this page lives
let facts = { limits: null, models: [] };

export function start() {
  $("video-choose").onclick = () => $("video-input").click();
  $("video-input").onchange = () => { add([...$("video-input").files]); $("video-input").value = ""; };
  takeDrops($("video"), $("video-drop"), add);
  for (const task of stored()) follow(card(task));
  empty();
}

export function know(known) { facts = known; }

const empty = () => {
  const has = Boolean($("tasks").children.length);
  $("no-tasks").hidden = has;
  $("video-drop").classList.toggle("small", has);
};

async function add(files) {
  showError($("video-error"), null);
  for (const file of files) await upload(file);
}

async function upload(file) {
  const model = $("video-model").value;
  const task = { id: "", name: file.name, bytes: file.size, model: model || facts.default || "", created: Date.now() };
  const shown = card(task, true);
  const giveUp = new AbortController();
  let sent = false;
  let unwanted = false;
  shown.cancel.onclick = () => {
    if (sent) unwanted = shown.cancel.disabled = true; // the task may be there already: it is stopped below
    else giveUp.abort(new Error("cancelled"));
  };
  const form = new FormData();
  form.append("video", file, file.name);
  try {
    const most = facts.limits?.max_video_bytes;
    if (most && file.size > most) {
      throw Object.assign(new Error(`the file has ${bytes(file.size)}, at most ${bytes(most)} are accepted.`), { cure: "Send a shorter or smaller video." });
    }
    const onProgress = (done, all) => {
      sent = done >= all;
      shown.bar.value = done / all;
      shown.state.textContent = done < all ? `uploading ${Math.round((100 * done) / all)} %` : "being checked…";
    };
    const onWait = (error) => { // it was not taken: the button gives up again
      sent = false;
      shown.state.textContent = `${error.message}; asking again…`;
      if (unwanted) giveUp.abort(new Error("cancelled"));
    };
    const options = { query: { model }, onProgress, onWait, waits: LINE_WAITS, signal: giveUp.signal };
    const answer = await send("upscale_video/submit", form, options);
    task.id = answer.task_id;
    originals.set(task.id, file);
    keep(task);
    shown.cancel.onclick = () => stop(shown);
    update(shown, answer);
    if (unwanted) await stop(shown);
    follow(shown);
  } catch (error) {
    shown.row.remove();
    empty();
    if (!giveUp.signal.aborted) showError($("video-error"), error, file.name);
  }
}

/** Make the row of a task and its parts. */
function card(task, isNew = false) {
  const state = make("span", { class: "soft" }, isNew ? "uploading" : "asking…");
  const bar = make("progress", { max: 1, value: 0, "aria-label": `Progress of ${task.name}` });
  const detail = make("p", { class: "soft" });
  const error = make("div", { class: "note bad", hidden: true });
  const cancel = make("button", { type: "button" }, "Cancel");
  const download = make("button", { type: "button", class: "primary", hidden: true }, "Download");
  const remove = make("button", { type: "button", hidden: true }, "Remove from list");
  const players = make("div", { class: "players", hidden: true });
  const both = make("button", { type: "button", hidden: true }, "Play both");
  const head = make("p", { class: "task-head" }, make("strong", {}, task.name), make("span", { class: "soft" }, [bytes(task.bytes), task.model].filter(Boolean).join(" · ")), state);
  const row = make("li", { class: "task" }, head, bar, detail, error, players, make("div", { class: "row" }, cancel, both, download, remove));
  $("tasks")[isNew ? "prepend" : "append"](row);
  empty();
  const shown = { task, row, state, bar, detail, error, cancel, download, remove, players, both };
  cancel.onclick = () => stop(shown);
  remove.onclick = () => { forget(task.id); originals.delete(task.id); row.remove(); empty(); };
  return shown;
}

async function stop(shown) {
  shown.cancel.disabled = true;
  shown.state.textContent = "stopping…";
  try {
    update(shown, await json("upscale_video/cancel", { method: "PUT", query: { task_id: shown.task.id } }));
  } catch (error) {
    shown.cancel.disabled = false;
    showError(shown.error, error);
  }
}

async function follow(shown) {
  for (let misses = 0; shown.row.isConnected; ) {
    try {
      const job = await json("upscale_video/status", { query: { task_id: shown.task.id } });
      misses = 0;
      update(shown, job);
      if (OVER.includes(job.status)) break;
    } catch (error) {
      if (error.status === 404) return gone(shown);
      misses += 1;
      shown.state.textContent = "the service does not answer, asking again…";
    }
    const seconds = document.hidden ? 5 : 0.7;
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(15, seconds * 2 ** misses)));
  }
}

function gone(shown) {
  shown.state.textContent = "no longer kept by the service";
  shown.bar.hidden = shown.cancel.hidden = true;
  shown.remove.hidden = false;
}

function update(shown, job) {
  const { percent, status, frames, frames_done: done, eta_seconds: left, elapsed_seconds: spent, queue_position: before } = job;
  const isOver = OVER.includes(status);
  shown.state.textContent = WORDS[status] ?? status;
  shown.state.classList.toggle("bad", status === "failed");
  if (percent == null && !isOver) shown.bar.removeAttribute("value");
  else shown.bar.value = (percent ?? 0) / 100;
  const parts = [];
  if (status === "pending" && before) parts.push(`${before} before it`);
  if (percent != null && !["pending", "completed"].includes(status)) parts.push(`${percent.toFixed(percent < 10 ? 1 : 0)} %`);
  if (done) parts.push(frames ? `${Math.min(done, frames)} of ${frames} frames` : `${done} frames`);
  if (!isOver && left != null) parts.push(`about ${duration(Math.max(1, Math.ceil(left)))} left`);
  if (isOver && spent) parts.push(duration(spent));
  if (job.version) parts.push(job.version);
  shown.detail.textContent = parts.join(" · ");
  shown.bar.hidden = isOver;
  shown.cancel.hidden = isOver;
  shown.remove.hidden = !isOver;
  showError(shown.error, status === "failed" ? job.error : null);
  if (status === "completed" && !shown.result) finish(shown);
}

async function finish(shown) {
  const { task } = shown;
  shown.result = true;
  say(`${task.name} is done.`);
  try {
    const answer = await request("upscale_video/get", { query: { task_id: task.id } });
    const blob = await answer.blob();
    shown.download.hidden = false;
    shown.download.onclick = () => save(blob, resultName(task.name, "video/mp4", scaleOf(task.model), task.model || "superres"));
    showPlayers(shown, blob);
  } catch (error) {
    shown.result = false;
    showError(shown.error, error);
  }
}

const scaleOf = (name) => facts.models.find((model) => model.name === name)?.scale;

function showPlayers(shown, blob) {
  const original = originals.get(shown.task.id);
  const after = player(blob, "after", shown.task.name);
  const before = original && player(original, "before", shown.task.name);
  shown.players.replaceChildren(...[before, after].filter(Boolean).map((one) => one.figure));
  if (!before) shown.players.append(make("p", { class: "soft" }, "The original is only shown until the page is closed."));
  shown.players.hidden = false;
  if (before) {
    shown.both.hidden = false;
    together(before.video, after.video, shown.both);
    before.video.onerror = () => { before.figure.querySelector("figcaption").textContent = "before (this browser cannot play it)"; };
  }
}

function player(blob, word, name) {
  const video = make("video", { src: URL.createObjectURL(blob), controls: true, muted: word === "before", playsinline: true, preload: "auto", "aria-label": `${name}, ${word}` });
  video.muted = word === "before"; // one sound is enough
  const caption = make("figcaption", {}, word);
  video.addEventListener("loadedmetadata", () => { caption.textContent = `${word} · ${video.videoWidth} × ${video.videoHeight} · ${bytes(blob.size)}`; });
  return { video, figure: make("figure", {}, video, caption) };
}

/** Play, pause and seek two videos as one. */
function together(one, other, button) {
  button.onclick = () => {
    if (!one.paused || !other.paused) { one.pause(); other.pause(); return; }
    other.currentTime = one.currentTime = one.ended ? 0 : one.currentTime;
    Promise.all([one.play(), other.play()]).catch(() => {}); // the players show why
  };
  const told = () => { button.textContent = one.paused && other.paused ? "Play both" : "Pause both"; };
  for (const video of [one, other]) for (const name of ["play", "pause", "ended"]) video.addEventListener(name, told);
  for (const [from, to] of [[one, other], [other, one]]) {
    from.addEventListener("seeked", () => { if (Math.abs(from.currentTime - to.currentTime) > 0.15) to.currentTime = from.currentTime; });
  }
}
