// Tasks that read a line and show a picture of what they make of it, as it is written.

import { predict } from "/page/ask.js";
import { button, calmly, make } from "/page/dom.js";

/** The first words of a text. */
const begun = (text) => { const words = text.split(" "); return words.slice(0, 3).join(" ") + (words.length > 3 ? " …" : ""); };

/**
 * Opens a view of one input and what comes of it; gives what closes it.
 *
 * `kind`: `title` of the input, `examples` to begin with, `rows` of its field, `options` of the prediction;
 * `show(prediction, input)` gives elements, `told(prediction)` what is read aloud.
 */
export function open(root, model, fail, kind) {
  const area = make("textarea", { id: "line", class: "plain", rows: kind.rows ?? 3, spellcheck: "false", autocapitalize: "off", maxlength: 20000 });
  const picture = make("div", { class: "picture" });
  const notes = make("p", { class: "told", hidden: true });
  let asking = null;

  async function refresh() {
    asking?.abort();
    const mine = (asking = new AbortController());
    const input = area.value.trim();
    if (!input) return picture.replaceChildren();
    try {
      const { predictions: [found], warnings } = await predict(model, [input], kind.options ?? {}, mine.signal);
      fail(null);
      picture.replaceChildren(...[kind.show(found, input)].flat());
      notes.textContent = warnings.join(" · ");
      notes.hidden = !warnings.length;
      kind.told(found);
    } catch (error) { fail(error); }
  }

  const soon = calmly(refresh, 250);
  const take = (example) => { area.value = example; refresh(); };
  area.addEventListener("input", soon);
  const more = kind.examples.length > 1 ? make("div", { class: "tools" }, kind.examples.map((example, i) =>
    button(kind.names?.[i] ?? begun(example), () => take(example)))) : null;
  root.replaceChildren(
    make("section", { "aria-labelledby": "line-title" }, make("h2", { id: "line-title" }, make("label", { for: "line" }, kind.title)), area, more),
    make("section", { "aria-labelledby": "picture-title" }, make("h2", { id: "picture-title" }, kind.heading), notes, picture));
  take(kind.examples[0]);
  return () => asking?.abort();
}
