// The tab of pictures: files in, one request after the other, results to look at and to keep.
import { request } from "./api.js";
import { $, bytes, count, duration, make, resultName, save, say, showError, takeDrops } from "./dom.js";
import { Viewer } from "./viewer.js";
import { zip } from "./zip.js";

const PICTURE = /^image\//;
const PICTURE_NAME = /\.(png|jpe?g|webp|tiff?|bmp|gif|avif)$/i;
const items = [];
let current = null;
let running = null;
let facts = { limits: null, models: [] };
let viewer;

export function start() {
  viewer = new Viewer($("stage"), $("handle"), (text) => { $("zoom").value = text; });
  $("choose").onclick = $("more").onclick = () => $("input").click();
  $("input").onchange = () => { add([...$("input").files]); $("input").value = ""; };
  takeDrops($("upscale"), $("upscale"), add);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!$("upscale").hidden && files.length) add(files);
  });
  $("options").onsubmit = (event) => { event.preventDefault(); again(); };
  $("options").oninput = () => { $("size-own").hidden = $("scale").value !== "own"; offerAgain(); };
  $("clear").onclick = clear;
  $("all").onclick = saveAll;
  $("pixels").onchange = () => $("stage").classList.toggle("sharp", $("pixels").checked);
  const zooms = { in: () => viewer.zoomBy(1.5), out: () => viewer.zoomBy(1 / 1.5), fit: () => viewer.fit(), one: () => viewer.one() };
  for (const button of document.querySelectorAll("[data-zoom]")) button.onclick = zooms[button.dataset.zoom];

}

/** Learn what the service accepts. */
export function know(known) { facts = known; offerAgain(); }

function chosen() {
  const scale = $("scale").value;
  const size = scale === "own" ? $("size").value.trim() : "";
  return { model: $("model").value, format: $("format").value, scale: scale === "own" ? "" : scale, size };
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function add(files) {
  const pictures = files.filter((file) => PICTURE.test(file.type) || PICTURE_NAME.test(file.name));
  const other = files.find((file) => !pictures.includes(file));
  showError($("refused"), other && { message: "this is no picture.", cure: "PNG, JPEG, WebP, TIFF, BMP and GIF are taken here; videos have a tab of their own." }, other?.name);
  for (const file of pictures) {
    const item = { file, name: file.name || "pasted.png", url: URL.createObjectURL(file), state: "waiting" };
    items.push(item);
    list(item);
  }
  if (pictures.length) {
    select(items[items.length - pictures.length]);
    work();
  }
}

async function work() {
  if (running) return;
  while ((running = items.find((item) => item.state === "waiting"))) {
    const item = running;
    item.options = chosen();
    item.stop = new AbortController();
    become(item, "running");
    try {
      item.result = await upscale(item);
      become(item, "done");
    } catch (error) {
      if (item.stop.signal.aborted) continue;
      item.error = error;
      become(item, "failed");
    }
  }
  offerAgain();
}

async function upscale(item) {
  const most = facts.limits?.max_bytes;
  if (most && item.file.size > most) {
    throw Object.assign(new Error(`the file has ${bytes(item.file.size)}, at most ${bytes(most)} are accepted.`), { cure: "Send a smaller file." });
  }
  const form = new FormData();
  form.append("image", item.file, item.name);
  const begun = performance.now();
  const onWait = (error) => { item.note = `${error.message}; asking again…`; become(item, "running"); };
  const answer = await request("upscale", { method: "POST", body: form, query: item.options, signal: item.stop.signal, onWait });
  item.note = "";
  const blob = await answer.blob();
  const said = (name) => answer.headers.get(`X-Superres-${name}`);
  return {
    blob, url: URL.createObjectURL(blob), options: item.options, seconds: (performance.now() - begun) / 1000,
    model: said("Model"), version: said("Version"), scale: said("Scale"),
    served: Number(said("Seconds")) || null, id: answer.headers.get("X-Request-ID"),
  };
}

function become(item, state) {
  item.state = state;
  const words = { waiting: "waiting", running: item.note || "upscaling…", done: "", failed: item.error?.message ?? "failed" };
  const line = item.row.querySelector(".soft");
  line.textContent = state === "done" ? `${bytes(item.result.blob.size)} · ${duration(item.result.seconds)}` : words[state];
  line.classList.toggle("bad", state === "failed");
  if (item === current) display(state !== "running");
  const done = items.filter((one) => one.state === "done").length;
  $("files-title").textContent = items.length > 1 ? `Pictures · ${done} of ${items.length} done` : "Picture";
  $("all").hidden = done < 2;
  if (state === "done") say(`${item.name} is upscaled.`);
}

function list(item) {
  const picture = make("img", { src: item.url, alt: "", onerror: () => picture.replaceWith(make("span", { class: "blank" })) });
  const name = make("span", { class: "name" }, make("span", {}, item.name), make("span", { class: "soft" }, "waiting"));
  item.row = make("li", {}, make("button", { type: "button", onclick: () => select(item) }, picture, name));
  $("list").append(item.row);
  $("files").hidden = false;
}

function select(item) {
  current = item;
  for (const one of items) one.row.firstChild.setAttribute("aria-current", String(one === item));
  $("drop").hidden = true;
  $("result").hidden = false;
  display(true);
  offerAgain();
}

/** Show the current picture; `anew` unless only the word on it has changed. */
async function display(anew) {
  const item = current;
  const { result } = item;
  $("veil").hidden = !["running", "waiting"].includes(item.state);
  $("doing").textContent = item.note || (item.state === "waiting" ? "Waiting…" : "Upscaling…");
  showError($("error"), item.state === "failed" ? item.error : null, item.name);
  if (anew || !result) $("download").hidden = true; // until it has its name
  if (!result) $("facts").textContent = `${item.name} · ${bytes(item.file.size)}`;
  if (anew || !result) {
    const shown = await viewer.show(item.url, result?.url);
    if (item !== current || result !== item.result) return;
    if (result) describe(item, shown);
  }
}

function describe(item, shown) {
  const { result } = item;
  const { before, width, height } = viewer;
  const scale = result.scale && !(result.options.scale || result.options.size) ? result.scale : before.naturalWidth && width / before.naturalWidth;
  const name = resultName(item.name, result.blob.type, scale, result.options.model || result.model || facts.default || "superres");
  Object.assign($("download"), { href: result.url, download: name, hidden: false });
  $("download").setAttribute("aria-label", `Download ${name}`);
  item.saved = name;
  const size = shown ? `${before.naturalWidth ? `${before.naturalWidth} × ${before.naturalHeight} → ` : ""}${width} × ${height}` : "this browser cannot show the format; download it";
  const served = result.served ? ` (computing ${duration(result.served)})` : "";
  const text = [size, `${bytes(result.blob.size)} ${result.blob.type.split("/")[1]?.toUpperCase()}`, `${duration(result.seconds)}${served}`];
  $("facts").replaceChildren(make("b", {}, result.version ?? result.model ?? ""), ` · ${text.join(" · ")}`);
}

function offerAgain() {
  const options = chosen();
  const note = facts.models.find((model) => model.name === options.model);
  $("model-note").textContent = note ? [note.parameters && `${count(note.parameters)} parameters`, note.version !== note.name && note.version].filter(Boolean).join(" · ") : "";
  const changed = items.some((item) => item.state === "failed" || (item.result && !same(item.result.options, options)));
  $("again").hidden = !changed;
  $("again").textContent = items.length > 1 ? "Upscale all again" : "Upscale again";
}

function again() {
  const options = chosen();
  for (const item of items) {
    if (item.state === "failed" || (item.result && !same(item.result.options, options))) {
      if (item.result) URL.revokeObjectURL(item.result.url);
      item.result = item.error = null;
      become(item, "waiting");
    }
  }
  work();
  offerAgain();
}

function clear() {
  for (const item of items.splice(0)) {
    item.stop?.abort(new Error("cleared"));
    item.state = "gone";
    URL.revokeObjectURL(item.url);
    if (item.result) URL.revokeObjectURL(item.result.url);
  }
  current = null;
  $("list").replaceChildren();
  $("files").hidden = $("result").hidden = $("again").hidden = true;
  showError($("error"), null);
  showError($("refused"), null);
  $("drop").hidden = false;
  $("choose").focus();
}

async function saveAll() {
  const done = items.filter((item) => item.result);
  const named = ({ name, result, saved }) => saved ?? resultName(name, result.blob.type, result.scale, result.options.model || facts.default || "superres");
  save(await zip(done.map((item) => ({ name: named(item), blob: item.result.blob }))), "superres.zip");
}
