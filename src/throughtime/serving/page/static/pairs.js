// From one sequence to another: the best targets, and what each step of the first of them attended to.

import { colour } from "/page/colour.js";
import { draw, make, onChange, percent, say, shown, signed } from "/page/dom.js";
import * as line from "/page/line.js";

const NBEST = 4;
const words = (result) => (Array.isArray(result) ? result.join(" ") : result);

function matrix(found) {
  const { attention, source_tokens: columns, target_tokens: rows } = found;
  if (!attention?.length) return null;
  const side = 26, left = 14 + 9 * Math.max(...rows.map((each) => each.length)), top = 16 + 7.2 * Math.max(...columns.map((each) => each.length));
  const width = left + side * columns.length + 60, height = top + side * rows.length + 4;
  const holder = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "attention: " + rows.map((row, i) => {
    const best = attention[i].indexOf(Math.max(...attention[i]));
    return `${row} to ${columns[best]}, ${percent(attention[i][best])}`;
  }).join("; ") });
  function paint() {
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
    columns.forEach((name, j) => {
      const x = left + side * (j + 0.5);
      svg.append(draw("text", { class: "beside", x, y: top - 8, transform: `rotate(-50 ${x} ${top - 8})` }, shown(name)));
    });
    rows.forEach((name, i) => {
      svg.append(draw("text", { class: "row", x: left - 10, y: top + side * (i + 0.5) + 5 }, shown(name)));
      attention[i].forEach((share, j) => svg.append(draw("rect", { x: left + side * j + 1, y: top + side * i + 1, width: side - 2, height: side - 2, rx: 2, fill: colour(share) },
        draw("title", {}, `${name} to ${columns[j]}: ${percent(share)}`))));
    });
    holder.replaceChildren(svg);
  }
  onChange(holder, paint);
  return holder;
}

function results(found) {
  const [best, ...others] = found.nbest;
  if (!best) return make("p", { class: "told" }, "Nothing.");
  const heat = matrix(found);
  return [make("p", { class: "result" }, words(best.result)),
    make("ol", { class: "others", start: 2 }, others.map((other) => make("li", {}, words(other.result), make("span", { class: "number" }, `${signed(other.log_prob - best.log_prob, 2)} nats`)))),
    ...(heat ? [make("h3", {}, "What each step attended to"), heat] : [])];
}

const view = (title, heading, examples) => ({
  open: (root, model, fail) => line.open(root, model, fail, {
    title, heading, examples, rows: 2, options: { explain: true, nbest: NBEST }, show: results,
    told: (found) => say(found.nbest.length ? words(found.nbest[0].result) : "Nothing"),
  }),
});

export const translation = view("A sentence to translate", "Translations, the best first",
  ["ein mann steht auf einem berg .", "zwei kinder spielen im schnee .", "eine frau mit einem roten hut liest ein buch ."]);
export const pronunciation = view("A word", "How it is spoken", ["throughtime", "recurrence", "colonel"]);
