// A language model at work: the chance of every token, what comes next, gates and memory, what a token depends on.

import { floats, lines, post } from "/page/ask.js";
import { bars, button, calmly, choice, labelled, make, percent, say, shown, spoken } from "/page/dom.js";
import { strip } from "/page/strip.js";

const BITS = 10; // a token of one in a thousand is as surprising as the colour tells
const MOST = 0.9;
const FIRST = "The ";

/** Where each token stands in what was written, `[begin, end]`. */
export function places(text, tokens, unit) {
  let at = 0;
  return tokens.map(({ text: piece, known }) => {
    let begin = at, end = at;
    if (text.startsWith(piece, at) && known) end = at + piece.length;
    else if (!known) end = at + (unit === "characters" ? 1 + (text.codePointAt(at) > 0xffff) : text.slice(at).match(/^\s*\S*/)[0].length);
    else {
      const found = text.toLowerCase().indexOf(piece.trim().toLowerCase(), at);
      if (found >= 0) [begin, end] = [at, found + piece.trim().length];
    }
    at = end;
    return [begin, end];
  });
}

/** Opens the view; gives what closes it. */
export function open(root, model, fail) {
  let seen = { tokens: [], next: [[]], layers: [], columns: [] };
  let where = [], cursor = 0, depends = [], layer = 0, gate = "", asking = null, drawing = null;

  const back = make("div", { class: "back", "aria-hidden": "true" });
  const area = make("textarea", { id: "text", rows: 3, spellcheck: "false", autocapitalize: "off", autocomplete: "off", maxlength: 1000 });
  area.value = FIRST;
  const told = make("p", { class: "told lead" });
  const temperature = make("input", { type: "range", min: 0, max: 2, step: 0.05, value: 0.7 });
  const degrees = make("output", {}, "0.70");
  const draws = button("Let it write", () => (drawing ? stop() : write()), { class: "main" });
  const next = make("div");
  const heat = strip((step) => { area.focus(); const at = step ? where[step - 1][1] : 0; area.setSelectionRange(at, at); moved(); });
  const which = make("div", { class: "which" });
  const equations = make("pre");
  const letters = make("details", {}, make("summary", {}, "What the letters are"), equations);

  root.replaceChildren(make("div", { class: "two" },
    make("section", { "aria-labelledby": "text-title" },
      make("h2", { id: "text-title" }, make("label", { for: "text" }, "Write, or let it write")),
      make("div", { class: "sheet" }, back, area),
      make("p", { class: "legend" }, make("span", {}, "expected"), make("span", { class: "hot", "aria-hidden": "true" }), make("span", {}, "surprising"),
        make("span", { class: "tick", "aria-hidden": "true" }), make("span", {}, "what the token before the cursor depends on")),
      told,
      make("div", { class: "tools" }, draws, button("Clear", () => { stop(); area.value = ""; area.focus(); refresh(); }), labelled("Temperature", temperature, degrees))),
    make("section", { class: "aside", "aria-labelledby": "next-title" }, make("h2", { id: "next-title" }, "What comes next"), next)),
  make("section", { "aria-labelledby": "heat-title" }, make("h2", { id: "heat-title" }, "Gates and memory"), which, heat.element, letters));

  // What is asked.

  const body = (more = {}) => ({ text: area.value, layer, gate, temperature: Number(temperature.value), ...more });

  async function refresh() {
    asking?.abort();
    const mine = (asking = new AbortController());
    const text = area.value;
    try {
      const found = await post(`/page/text/${model.id}`, body(), mine.signal);
      fail(null);
      seen = { ...found, columns: found.columns.map(floats) };
      where = places(text, seen.tokens, seen.unit);
      gate = seen.gate;
      choose();
      depends = [];
      moved(true);
    } catch (error) { fail(error); }
  }
  const soon = calmly(refresh, 90);

  const reach = calmly(async () => {
    if (drawing || !cursor) return;
    const at = cursor - 1, text = area.value;
    try {
      const found = await post(`/page/reach/${model.id}`, { text, at });
      if (text !== area.value || at !== cursor - 1) return;
      depends = found.reach;
      colourIn();
      tell();
    } catch (error) { fail(error); }
  }, 150);

  // What is shown.

  function colourIn() {
    const most = Math.max(...depends, 1e-30);
    back.classList.toggle("known", depends.length > 0);
    back.replaceChildren(...seen.tokens.map((token, i) => {
      const span = make("span", { class: i === cursor - 1 ? "at" : "" }, area.value.slice(...where[i]));
      span.style.setProperty("--s", Math.min(1, -token.log_prob / Math.LN2 / BITS));
      span.style.setProperty("--r", depends.length && i < cursor - 1 ? depends[i] / most : 0);
      return span;
    }), area.value.slice(where.at(-1)?.[1] ?? 0) + "\u200b");
    area.style.height = `${back.offsetHeight}px`;
  }

  function moved(always = false) {
    const caret = drawing ? area.value.length : area.selectionStart;
    const before = cursor;
    cursor = where.filter(([, end]) => end <= caret).length;
    if (!always && cursor === before) return;
    depends = cursor === before ? depends : [];
    colourIn();
    next.replaceChildren(bars(seen.next[cursor] ?? [], add));
    tell();
    showHeat();
    reach();
  }

  function tell() {
    const token = seen.tokens[cursor - 1];
    const all = seen.tokens.reduce((sum, each) => sum - each.log_prob, 0) / Math.LN2;
    const whole = seen.tokens.length ? `${(all / seen.tokens.length).toFixed(2)} bits a token on the whole.` : "";
    const unknown = seen.tokens.filter((each) => !each.known).length;
    const own = token ? [make("q", {}, shown(token.text)), ` had ${percent(Math.exp(token.log_prob))}. `] : ["Nothing read yet. "];
    told.replaceChildren(...own, far(), whole, unknown ? ` ${unknown} unknown to the model.` : "");
    if (drawing) return;
    const likely = (seen.next[cursor] ?? []).slice(0, 3).map(([name, share]) => `${spoken(name)} ${percent(share)}`).join(", ");
    say(`${token ? `${spoken(token.text)} had ${percent(Math.exp(token.log_prob))}. ` : ""}Next: ${likely}.`);
  }

  /** How far back most of what the token depends on lies. */
  function far() {
    const sum = depends.reduce((all, each) => all + each, 0);
    if (!sum) return "";
    let back = 0;
    for (let held = 0; held < MOST * sum; held += depends[depends.length - back]) back += 1;
    return `Nine tenths of what it depends on: the ${back === 1 ? "token" : `${back} tokens`} before it. `;
  }

  function choose() {
    const here = seen.layers[layer];
    const layers = make("select", { onchange: (event) => { layer = Number(event.target.value); gate = ""; refresh(); } },
      seen.layers.map((each, i) => make("option", { value: i, selected: i === layer }, each.name)));
    const same = which.dataset.of === `${layer} ${gate} ${here.gates}`;
    which.dataset.of = `${layer} ${gate} ${here.gates}`;
    if (!same) {
      const focused = which.contains(document.activeElement) && document.activeElement.value;
      which.replaceChildren(...(seen.layers.length > 1 ? [labelled("Layer", layers)] : []),
        choice(`${here.cell}:`, here.gates, gate, (name) => { gate = name; refresh(); }));
      if (focused) [...which.querySelectorAll("input")].find((input) => input.value === focused)?.focus();
    }
    equations.textContent = here.equations;
    letters.hidden = !here.equations;
  }

  function showHeat() {
    const here = seen.layers[layer];
    if (!here) return;
    const kind = here.states.includes(gate) ? "state" : "gate or value";
    const part = seen.shown < here.units ? `the first ${seen.shown} of ${here.units} units` : `${here.units} units`;
    heat.show({ columns: seen.columns, labels: seen.tokens.map((token) => token.text), cursor, name: `${gate}, a ${kind} of ${here.name}`,
      note: `${gate}, ${kind} of ${here.name}: ${part}, a row each` });
  }

  // Writing.

  function add(piece) {
    const caret = where[cursor - 1]?.[1] ?? 0;
    area.setRangeText(seen.unit === "words" && caret ? ` ${piece}` : piece, caret, area.value.length, "end");
    refresh();
  }

  async function write() {
    stop();
    area.setSelectionRange(area.value.length, area.value.length);
    const mine = (drawing = new AbortController());
    draws.textContent = "Stop";
    try {
      for await (const step of lines(`/page/draw/${model.id}`, body({ length: Math.max(1, Math.min(300, 990 - seen.tokens.length)) }), mine.signal)) {
        await new Promise(requestAnimationFrame);
        if (drawing !== mine) return;
        const begin = area.value.length;
        area.value += step.text;
        where.push([begin, area.value.length]);
        seen.tokens.push(step);
        seen.next.push(step.next);
        seen.columns.push(floats(step.column));
        depends = [];
        moved(true);
      }
    } catch (error) { fail(error); }
    if (drawing === mine) { stop(); say(`It wrote: ${area.value}`); }
  }

  function stop() {
    drawing?.abort();
    drawing = null;
    draws.textContent = "Let it write";
    reach();
  }

  area.addEventListener("input", () => { stop(); soon(); });
  for (const name of ["keyup", "click", "select", "focus"]) area.addEventListener(name, () => moved());
  temperature.addEventListener("input", () => { degrees.textContent = Number(temperature.value).toFixed(2); soon(); });
  new ResizeObserver(() => { area.style.height = `${back.offsetHeight}px`; }).observe(back);
  area.setSelectionRange(FIRST.length, FIRST.length);
  refresh().then(() => { if (!matchMedia("(prefers-reduced-motion: reduce)").matches) write(); });
  return () => { asking?.abort(); drawing?.abort(); drawing = null; };
}
