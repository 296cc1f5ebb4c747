// The tab of models: all side by side, then a card for each.
import { address, request } from "./api.js";
import { $, bytes, count, make } from "./dom.js";
import { markdown } from "./markdown.js";

const COLUMNS = [/^PSNR-Y/, /^SSIM-Y/, /^LPIPS/];

/** Show what GET /models said; `use(name)` chooses a model. */
export function show({ models }, use) {
  $("compared").replaceChildren(...(models.length ? [compared(models)] : []));
  $("cards").replaceChildren(...models.map((model) => card(model, use)));
}

/** Set -> model -> figures, of all cards; each has its own row and those it is compared with. */
function allScores(models) {
  const found = {};
  for (const { scores = {}, name, version } of models) {
    for (const [set, rows] of Object.entries(scores)) {
      for (const [of, figures] of Object.entries(rows)) {
        const known = (found[set] ??= {});
        if (of === version || of === name) known[version ?? name] = figures;
        else if (of !== "champion") known[of] ??= figures; // the champion of a card is the one before
      }
    }
  }
  return found;
}

function compared(models) {
  const scores = Object.entries(allScores(models));
  const columns = scores.flatMap(([set, known]) => COLUMNS.map((like) => {
    const title = Object.values(known).flatMap((figures) => Object.keys(figures)).find((name) => like.test(name));
    return title && { set, title, lower: /^LPIPS/.test(title), value: ({ name, version }) => (known[version] ?? known[name])?.[title] };
  })).filter(Boolean);
  const best = ({ lower, value }) => {
    const known = models.map(value).filter((one) => one !== undefined);
    return known.length > 1 ? Math[lower ? "min" : "max"](...known) : null;
  };
  const number = (content, more = "") => make("td", { class: `number ${more}` }, content ?? "");
  const head = ["Model", "Scale", "Parameters", "Size", ...columns.map(({ set, title }) => `${title} ${set}`)];
  const rows = models.map((model) => make("tr", {},
    make("th", { scope: "row" }, model.name), number(model.scale && `×${model.scale}`),
    number(model.parameters && count(model.parameters)), number(model.bytes && bytes(model.bytes)),
    ...columns.map((column) => {
      const value = column.value(model);
      return number(value === undefined ? "" : String(value), value !== undefined && value === best(column) ? "best" : "");
    })));
  return make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((title, at) => make("th", { scope: "col", class: at && "number" }, title)))),
    make("tbody", {}, ...rows));
}

const picture = (model) => (source, alt) => ((model.pictures ?? []).includes(source)
  ? make("img", { src: address("models/picture", { model: model.name, name: source }), alt, loading: "lazy" }) : null);

/** {"val/psnr": 28.4, "val/ssim": 0.87} -> PSNR 28.40 dB, SSIM 0.8700 */
function validation(metrics = {}) {
  const { "val/psnr": psnr, "val/ssim": ssim, "val/lpips": lpips } = metrics;
  return [psnr && `PSNR ${psnr.toFixed(2)} dB`, ssim && `SSIM ${ssim.toFixed(4)}`, lpips && `LPIPS ${lpips.toFixed(4)}`].filter(Boolean).join(", ");
}

function card(model, use) {
  const { degradation: made = {} } = model;
  const facts = {
    Version: model.version, Network: model.network !== model.name && model.network, Parameters: model.parameters && count(model.parameters),
    Size: model.bytes && bytes(model.bytes), "Made for": made.kernel && `pictures made smaller by ${made.scale} (${made.kernel})`,
    Validation: validation(model.metrics),
    "Trained on": model.sets?.join(", "), Licence: model.licences?.join("; "), From: model.source, Made: model.created?.slice(0, 10),
  };
  const list = make("dl", {}, ...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
  const head = make("h2", {}, model.name, make("span", { class: "badge" }, `×${model.scale}`), model.default ? make("span", { class: "badge" }, "default") : "");
  const text = make("details", {}, make("summary", {}, "The whole card"));
  text.addEventListener("toggle", () => fill(text, model), { once: true });
  const button = make("button", { type: "button", onclick: () => use(model.name) }, "Use this model");
  const compare = (model.pictures ?? []).find((name) => /compar|strip|before/i.test(name)) ?? model.pictures?.[0];
  return make("article", { class: "card" }, head,
    model.error ? make("p", { class: "note bad" }, model.error) : "",
    compare ? picture(model)(compare, `Comparison picture of ${model.name}`) : "",
    list, model.card ? text : make("p", { class: "soft" }, "An interpolation, not a trained model."), button);
}

async function fill(place, model) {
  try {
    const answer = await request("models/card", { query: { model: model.name } });
    place.append(markdown((await answer.text()).replace(/^#\s.*\n/, ""), picture(model)));
  } catch (error) {
    place.append(make("p", { class: "note bad" }, error.message));
  }
}
