// Classes of texts with the words that moved them, and entities in them.

import { bars, make, percent, say, signed } from "/page/dom.js";
import * as line from "/page/line.js";

/** A part of a text by the numbers of its characters, as Python counts them. */
const part = (letters, begin, end) => letters.slice(begin, end).join("");

function moved(found, input) {
  if (!found.words?.length) return null;
  const letters = [...(found.text ?? input)];
  const most = Math.max(...found.words.map((word) => Math.abs(word.moved)), 1e-9);
  const pieces = [];
  let at = 0;
  for (const word of found.words) {
    pieces.push(part(letters, at, word.start));
    const span = make("span", { class: word.moved >= 0 ? "for" : "against", title: `${word.moved >= 0 ? "+" : ""}${signed(word.moved, 2)} nats` }, part(letters, word.start, word.end));
    span.style.setProperty("--r", Math.abs(word.moved) / most);
    pieces.push(span);
    at = word.end;
  }
  return [make("p", { class: "reading" }, pieces, part(letters, at)),
    make("p", { class: "legend" }, make("span", { class: "key for", "aria-hidden": "true" }), make("span", {}, `speaks for ${found.label}`),
      make("span", { class: "key against", "aria-hidden": "true" }), make("span", {}, "speaks against it"))];
}

/** Classes of lines of text. */
export const sentiment = {
  open: (root, model, fail) => line.open(root, model, fail, {
    title: "A text", heading: "Its class, and the words that moved it", options: { explain: true },
    examples: ["an unexpectedly moving film , though the ending is a little dull", "it is never boring , and the acting is superb", "a tired , lazy remake without a single new idea"],
    show: (found, input) => [bars(Object.entries(found.probabilities)), moved(found, input)].flat().filter(Boolean),
    told: (found) => say(`${found.label}, ${percent(found.probabilities[found.label])}`),
  }),
};

function spans(found, input) {
  const letters = [...(found.text ?? input)];
  const types = [...new Set(found.entities.map((entity) => entity.type))].sort();
  const pieces = [];
  let at = 0;
  for (const entity of found.entities) {
    pieces.push(part(letters, at, entity.start));
    const sure = entity.confidence === undefined ? "" : `, ${percent(entity.confidence)}`;
    pieces.push(make("mark", { class: `kind-${types.indexOf(entity.type) % 6}`, title: `${entity.type}${sure}` }, part(letters, entity.start, entity.end), make("small", {}, entity.type)));
    at = entity.end;
  }
  const rows = found.entities.map((entity) => [entity.text ?? part(letters, entity.start, entity.end), entity.confidence ?? 1, `${entity.type}`]);
  return [make("p", { class: "reading" }, pieces, part(letters, at)),
    rows.length ? make("div", { class: "narrow" }, make("h3", {}, "How sure of each"), bars(rows.map(([name, share, type]) => [`${name} · ${type}`, share]))) : make("p", { class: "told" }, "No entities.")];
}

/** Names in lines of text. */
export const entities = {
  open: (root, model, fail) => line.open(root, model, fail, {
    title: "A sentence", heading: "What it names",
    examples: ["Emma Watson flew from London to New York for Warner Brothers", "i saw Justin Bieber at the Empire State Building on Friday", "new iPhone from Apple in stores in California today"],
    show: spans,
    told: (found) => say(found.entities.map((entity) => `${entity.text}: ${entity.type}`).join(", ") || "No entities"),
  }),
};

/** Models whose task has no picture of its own: what they say, as it is. */
export const plain = {
  open: (root, model, fail) => line.open(root, model, fail, {
    title: "An input", heading: "What the model makes of it", examples: [""],
    show: (found) => make("pre", {}, JSON.stringify(found, null, 2)), told: () => say("There is an answer."),
  }),
};
