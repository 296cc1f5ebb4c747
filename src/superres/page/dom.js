// Elements and words.
export const $ = (id) => document.getElementById(id);

/** Make an element; children are elements or texts, never HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== ""));
  return element;
}

/** Tell people who listen to the page. */
export function say(text) {
  $("live").textContent = text;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB"];
  let power = -1;
  do { count /= 1000; power += 1; } while (count >= 999.5 && power < 2);
  return `${count.toFixed(count < 10 ? 1 : 0)} ${units[power]}`;
}

export function duration(seconds) {
  if (seconds < 0.995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 && seconds % 1 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const count = (number) => Number(number).toLocaleString("en-GB");

const KINDS = { png: "png", jpeg: "jpg", webp: "webp", tiff: "tiff", bmp: "bmp", gif: "gif", mp4: "mp4", avif: "avif" };

/** photo.jpg, image/png, 4, champion -> photo-x4-champion.png */
export function resultName(name, type, scale, model) {
  const stem = name.replace(/\.[^.]*$/, "") || "picture";
  const kind = KINDS[type.split(/[/;]/)[1]] ?? "bin";
  const factor = scale ? `-x${Number(Number(scale).toFixed(2))}` : "";
  return `${stem}${factor}-${model.replace(/[^\w.-]+/g, "-")}.${kind}`;
}

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Show an error of the service in words: what is wrong, and what helps. */
export function showError(place, error, name = "") {
  place.hidden = !error;
  place.replaceChildren();
  if (!error) return;
  place.append(make("strong", {}, name ? `${name}: ` : ""), error.message);
  if (error.cure) place.append(make("p", { class: "soft" }, error.cure));
}

/** Let a place take dropped files. */
export function takeDrops(place, shown, take) {
  const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    shown.classList.toggle("over", depth > 0);
  };
  place.addEventListener("dragenter", (event) => { if (has(event)) { event.preventDefault(); mark(1); } });
  place.addEventListener("dragleave", (event) => { if (has(event)) mark(-1); });
  place.addEventListener("dragover", (event) => { if (has(event)) event.preventDefault(); });
  place.addEventListener("drop", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    mark(-depth);
    take([...event.dataTransfer.files]);
  });
}
