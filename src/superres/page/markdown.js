// The Markdown of model cards as elements: headings, lists, tables, pictures, code, bold, links.
import { make } from "./dom.js";

const INLINE = /!\[([^\]]*)\]\(([^)\s]+)\)|\[([^\]]+)\]\(([^)\s]+)\)|`([^`]+)`|\*\*([^*]+)\*\*/;

function inline(text, picture) {
  const parts = [];
  for (let found; (found = INLINE.exec(text)); text = text.slice(found.index + found[0].length)) {
    parts.push(text.slice(0, found.index));
    const [, alt, source, words, link, code, bold] = found;
    if (source) parts.push(picture(source, alt) ?? alt);
    else if (words) parts.push(/^https?:\/\//.test(link) ? make("a", { href: link, rel: "noreferrer", target: "_blank" }, words) : words);
    else parts.push(code ? make("code", {}, code) : make("b", {}, bold));
  }
  return [...parts, text].filter((part) => part !== "");
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines, picture) {
  const [head, rule, ...rows] = lines.map(cells);
  const right = rule.map((cell) => cell.endsWith(":"));
  const row = (tag, texts) => make("tr", {}, ...texts.map((text, at) => make(tag, { class: right[at] && "number" }, ...inline(text, picture))));
  return make("table", {}, make("thead", {}, row("th", head)), make("tbody", {}, ...rows.map((texts) => row("td", texts))));
}

/** `picture(source, alt)` makes the element of a picture, or null. */
export function markdown(text, picture) {
  const whole = make("div", { class: "text" });
  const lines = text.split(/\r?\n/);
  while (lines.length) {
    const line = lines[0];
    const take = (like) => { const found = []; while (lines.length && like.test(lines[0])) found.push(lines.shift()); return found; };
    const heading = /^(#{1,6})\s+(.*)/.exec(line);
    if (!line.trim()) lines.shift();
    else if (heading) { lines.shift(); whole.append(make(heading[1].length < 3 ? "h2" : "h3", {}, ...inline(heading[2], picture))); }
    else if (/^\s*\|/.test(line) && /^\s*\|?[\s:|-]+$/.test(lines[1] ?? "")) whole.append(table(take(/^\s*\|/), picture));
    else if (/^\s*[-*]\s/.test(line)) whole.append(make("ul", {}, ...take(/^\s*[-*]\s/).map((one) => make("li", {}, ...inline(one.replace(/^\s*[-*]\s+/, ""), picture)))));
    else whole.append(make("p", {}, ...inline([lines.shift(), ...take(/^(?!\s*[-*]\s)(?!\s*[|#])\s*\S/)].map((one) => one.trim()).join(" "), picture)));
  }
  return whole;
}
