"use strict";
// Tables: a click, Enter or Space on a head sorts by it; a second one turns the order round.
const worth = (cell) => {
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/,/g, ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
};
const sortBy = (table, head, column) => {
  const up = head.getAttribute("aria-sort") === "descending" ||
    (head.getAttribute("aria-sort") === "none" && head.classList.contains("up"));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const empty = (value) => value === "";
  rows.sort((a, b) => {
    const [x, y] = [worth(a.cells[column]), worth(b.cells[column])];
    if (empty(x) || empty(y)) return empty(x) - empty(y);
    const order = typeof x === typeof y ? (x > y) - (x < y) : (typeof x === "string") - (typeof y === "string");
    return up ? order : -order;
  });
  table.tBodies[0].append(...rows);
};
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => sortBy(table, head, column));
  });
}

// Two models picture by picture: above the line of equal figures B is larger.
const data = JSON.parse(document.getElementById("figures").textContent);
const place = document.getElementById("scatter");
const [pickA, pickB, pickM] = ["a", "b", "measure"].map((id) => document.getElementById(id));
const SVG = "http://www.w3.org/2000/svg";
const add = (parent, name, attributes, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
};
const draw = () => {
  const measure = data.measures.find((one) => one.key === pickM.value);
  const points = data.pictures.map((picture, index) => ({
    picture, x: data.models[pickA.value][measure.key]?.[index], y: data.models[pickB.value][measure.key]?.[index],
  })).filter((point) => point.x != null && point.y != null);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 480 400");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${measure.title}: ${pickB.value} against ${pickA.value}, picture by picture`);
  const all = points.flatMap((point) => [point.x, point.y]);
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = (high - low || 1) * 0.06;
  [low, high] = [low - margin, high + margin];
  const x = (value) => 60 + (value - low) / (high - low) * 410;
  const y = (value) => 350 - (value - low) / (high - low) * 340;
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const size = [1, 2, 5, 10].map((by) => by * power).find((step) => step >= raw);
  const digits = Math.max(0, -Math.floor(Math.log10(size) + 1e-9));
  for (let value = Math.ceil(low / size) * size; value <= high; value += size) {
    add(svg, "line", { class: "grid", x1: x(value), x2: x(value), y1: 10, y2: 350 });
    add(svg, "line", { class: "grid", x1: 60, x2: 470, y1: y(value), y2: y(value) });
    add(svg, "text", { x: x(value), y: 367, "text-anchor": "middle" }, value.toFixed(digits));
    add(svg, "text", { x: 54, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(digits));
  }
  add(svg, "line", { class: "equal", x1: x(low), y1: y(low), x2: x(high), y2: y(high) });
  add(svg, "text", { class: "label", x: 265, y: 390, "text-anchor": "middle" }, `A: ${pickA.value}`);
  add(svg, "text", { class: "label", transform: "translate(13 180) rotate(-90)", "text-anchor": "middle" }, `B: ${pickB.value}`);
  for (const point of points) {
    const kind = `s${data.sets.indexOf(point.picture[0]) % 8}`;
    const mark = add(svg, "circle", { class: `mark ${kind}`, cx: x(point.x), cy: y(point.y), r: 5 });
    add(mark, "title", {}, `${point.picture[1]}: A ${point.x.toFixed(measure.digits)}, B ${point.y.toFixed(measure.digits)}`);
  }
  const better = points.filter((point) => measure.lower ? point.y < point.x : point.y > point.x).length;
  const caption = document.createElement("p");
  caption.className = "soft";
  caption.textContent = `${pickB.value} is better than ${pickA.value} in ${measure.title} on ${better} of ${points.length} pictures ` +
    `(${measure.lower ? "below" : "above"} the dashed line).`;
  place.replaceChildren(svg, caption);
};
for (const pick of [pickA, pickB, pickM]) pick.addEventListener("change", draw);
draw();
