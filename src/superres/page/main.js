// The page: tabs, light and dark, what the service is and has.
import { hasKey, json, onKeyNeeded, pause, request } from "./api.js";
import { $, bytes, make } from "./dom.js";
import * as models from "./models.js";
import * as pictures from "./pictures.js";
import * as video from "./video.js";

const TABS = ["upscale", "video", "models"];
const REFRESH_SECONDS = 60;

function open(name, focus = false) {
  for (const tab of TABS) {
    const button = $(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    $(tab).hidden = tab !== name;
  }
  if (focus) $(`tab-${name}`).focus();
  history.replaceState(null, "", `#/${name}`); // no id: else the Tab key would begin there
}

function startTabs() {
  for (const tab of TABS) $(`tab-${tab}`).onclick = () => open(tab);
  document.querySelector(".tabs").onkeydown = (event) => {
    const at = TABS.findIndex((tab) => !$(tab).hidden);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(TABS[(to + TABS.length) % TABS.length], true);
  };
  const asked = location.hash.slice(2);
  open(TABS.includes(asked) ? asked : TABS[0]);
}

function startTheme() {
  const root = document.documentElement;
  const stored = localStorage.getItem("superres.theme");
  if (stored) root.dataset.theme = stored;
  $("theme").onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("superres.theme", root.dataset.theme);
  };
}

function askForKey() {
  const dialog = $("key-dialog");
  $("key-title").textContent = hasKey() ? "That key was not accepted" : "This service asks for a key";
  $("key").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? $("key").value.trim() : ""), { once: true });
  });
}

const option = (value, text) => make("option", { value }, text);

function offer(known) {
  const label = (model) => `${model.name} ×${model.scale}${model.default ? " (default)" : ""}`;
  for (const id of ["model", "video-model"]) {
    const old = $(id).value;
    $(id).replaceChildren(...known.models.filter((model) => !model.error).map((model) => option(model.name, label(model))));
    $(id).value = known.models.some((model) => model.name === old) ? old : known.default;
  }
  if (known.sizes && !$("scale").options.length) {
    $("scale").append(option("", "the model's own"), ...[2, 3, 4].map((scale) => option(scale, `×${scale}`)), option("own", "width × height…"));
    $("size-field").hidden = false;
  }
  const { limits } = known;
  if (limits) {
    const most = (pixels) => `${(pixels / 1e6).toFixed(0)} megapixels`;
    $("limits").textContent = `up to ${bytes(limits.max_bytes)} and ${most(limits.max_pixels)} each`;
    $("video-limits").textContent = `up to ${bytes(limits.max_video_bytes)}, ${limits.max_seconds} s and ${limits.max_frames} frames`;
  }
  models.show(known, (name) => { $("model").value = $("video-model").value = name; open("upscale", true); $("options").dispatchEvent(new Event("input")); });
  pictures.know(known);
  video.know(known);
}

/** Ask what there is: the models, the limits, and whether a size can be asked for. */
async function learn() {
  const [listed, limits, described] = await Promise.all([
    json("models"), json("limits").catch(() => null), json("docs.json").catch(() => null),
  ]);
  const named = described?.paths?.["/upscale"]?.post?.parameters?.map((parameter) => parameter.name) ?? [];
  $("version").textContent = described ? `superres ${described.info.version}` : "";
  return { ...listed, limits, sizes: named.includes("scale") && named.includes("size") };
}

function tell(text, state) {
  Object.assign($("state"), { textContent: text, className: `state ${state}`, title: text });
}

/** Learn what there is, say so, and look from time to time whether it has changed. */
async function connect() {
  let shown = "";
  for (let misses = 0; ; ) {
    try {
      const known = await learn();
      if (JSON.stringify(known) !== shown) {
        offer(known);
        shown = JSON.stringify(known);
      }
      if (misses || !$("state").classList.contains("ready")) tell("Loading the model…", "");
      await request("readyz", { waits: 60 });
      const first = known.models.find((model) => model.default) ?? {};
      tell(`${first.version ?? known.default} is ready`, "ready");
      misses = 0;
    } catch (error) {
      tell(error.status === 401 ? "A key is needed: reload to give it" : error.message, "away");
      if (error.status === 401) return;
      misses += 1;
    }
    do await pause(misses ? Math.min(15, 2 * misses) : REFRESH_SECONDS); while (document.hidden);
  }
}

startTheme();
startTabs();
onKeyNeeded(askForKey);
pictures.start();
video.start();
connect();
