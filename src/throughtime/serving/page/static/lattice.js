// What may have been said, as a graph: states in the order of time, and arcs of words, or letters, from one to the next.

import { draw, make, onChange, percent } from "/page/dom.js";

const OTHERS = 4, LEAST = 0.005; // arcs beside the best one: how many, and what share of the hypotheses they have
const LEVEL = 46, PAD = 24; // pixels
const NOTHING = "–";

/** Words of symbols: characters with spaces among them are joined, words stay what they are. */
export function wordsOf(symbols) {
  if (!symbols.some((one) => one.symbol === " ")) {
    if (symbols.some((one) => [...one.symbol].length > 1) || !symbols.length) return symbols;
    return [{ symbol: symbols.map((one) => one.symbol).join(""), start: symbols[0].start, end: symbols.at(-1).end }];
  }
  const words = [];
  let word = null;
  for (const { symbol, start, end } of symbols) {
    if (symbol === " ") word = null;
    else if (word) { word.symbol += symbol; word.end = end; } else words.push((word = { symbol, start, end }));
  }
  return words;
}

/** A text's parts along another's, in its parts and between them, by the fewest changes. */
function aligned(spine, parts, between) {
  const cost = Array.from({ length: spine.length + 1 }, (_, i) => Array.from({ length: parts.length + 1 }, (_, j) => (i ? 0 : j) + (j ? 0 : i)));
  for (let i = 1; i <= spine.length; i += 1) for (let j = 1; j <= parts.length; j += 1)
    cost[i][j] = Math.min(cost[i - 1][j - 1] + (spine[i - 1] !== parts[j - 1]), cost[i - 1][j] + 1, cost[i][j - 1] + 1);
  const found = Array(2 * spine.length + 1).fill("");
  for (let i = spine.length, j = parts.length; i || j;) {
    if (i && j && cost[i][j] === cost[i - 1][j - 1] + (spine[i - 1] !== parts[j - 1])) found[2 * (i -= 1) + 1] = parts[(j -= 1)];
    else if (i && cost[i][j] === cost[i - 1][j] + 1) i -= 1;
    else { j -= 1; found[2 * i] = [parts[j], found[2 * i]].filter(Boolean).join(between); }
  }
  return found;
}

/**
 * The graph of hypotheses: `times` of the states, and for every two that follow each other the arcs `{ label, share }`,
 * that of the best hypothesis first. A share is that of the hypotheses, each by its probability among them.
 */
export function graph({ hypotheses, symbols, seconds }) {
  const best = hypotheses.reduce((most, one) => Math.max(most, one.score), -Infinity);
  const weights = hypotheses.map((one) => Math.exp(one.score - best)), whole = weights.reduce((sum, weight) => sum + weight, 0);
  const letters = symbols.every((one) => [...one.symbol].length === 1) && !hypotheses.some((one) => one.text.includes(" "));
  const cut = (text) => (letters ? [...text] : text.split(" ").filter(Boolean)), spine = cut(hypotheses[0].text);
  const said = letters ? symbols : wordsOf(symbols);
  const begins = spine.map((_, i) => said[i]?.start ?? (seconds * i) / spine.length);
  const last = said.at(-1)?.end ?? seconds;
  const columns = Array.from({ length: 2 * spine.length + 1 }, () => new Map());
  hypotheses.forEach((one, i) => aligned(spine, cut(one.text), letters ? "" : " ").forEach((label, at) => columns[at].set(label, (columns[at].get(label) ?? 0) + weights[i] / whole)));
  const times = [begins[0] ?? 0], steps = [];
  columns.forEach((column, at) => {
    const own = at % 2 ? spine[(at - 1) / 2] : "";
    if (column.size === 1 && own === "") return; // nobody hears anything there
    const others = [...column].filter(([label, share]) => label !== own && share >= LEAST).sort((one, other) => other[1] - one[1]);
    if (own === "" && !others.length) return;
    steps.push([[own, column.get(own)], ...others.slice(0, OTHERS)].map(([label, share]) => ({ label: label || NOTHING, share })));
    times.push(Math.max(times.at(-1), at % 2 ? begins[(at + 1) / 2] ?? last : begins[at / 2] ?? seconds));
  });
  return { times, steps };
}

/** How far from the middle an arc runs: the best one in it, the others above and below by turns. */
const level = (number) => (number % 2 ? (number + 1) / 2 : -number / 2);

/** Where states stand whose steps take so long, each at least so wide, within a room where they fit into it. */
function placed(lengths, least, room) {
  const sizes = (scale) => lengths.map((length, i) => Math.max(least[i], scale * length)), sum = (all) => all.reduce((total, one) => total + one, 0);
  let low = 0, high = room / (sum(lengths) || 1);
  for (let i = 0; i < 40; i += 1) { const middle = (low + high) / 2; if (sum(sizes(middle)) > room) high = middle; else low = middle; }
  return sizes(low).reduce((places, size) => [...places, places.at(-1) + size], [PAD]);
}

/** The graph of what was heard as an element. */
export function lattice(found) {
  const { times, steps } = graph(found);
  const told = steps.map((arcs) => arcs.map(({ label, share }) => `${label} ${percent(share)}`).join(" or ")).join("; ");
  const holder = make("div", { class: "wide lattice", tabindex: "0", role: "region", "aria-label": "graph of what may have been said" });
  const highest = Math.max(0, ...steps.map((arcs) => Math.ceil((arcs.length - 1) / 2))), lowest = Math.max(0, ...steps.map((arcs) => Math.floor((arcs.length - 1) / 2)));
  const middle = highest * LEVEL + 34, high = middle + lowest * LEVEL + 44;
  const wide = ({ label, share }) => 9.2 * [...label].length + 7 * percent(share).length + 8;

  function paint() {
    const places = placed(steps.map((arcs, i) => times[i + 1] - times[i]), steps.map((arcs) => 34 + Math.max(...arcs.map(wide))), holder.clientWidth - 2 * PAD);
    const width = places.at(-1) + PAD;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${high}`, width, height: high, role: "img", "aria-label": told || "nothing was heard" });
    const texts = []; // above all arcs
    steps.forEach((arcs, i) => arcs.forEach((arc, number) => {
      const from = places[i] + 6, to = places[i + 1] - 6, bend = level(number) * LEVEL, y = middle - bend, third = (to - from) / 4;
      svg.append(draw("path", { class: number ? "arc" : "arc best", "stroke-width": number ? 1 + 3 * arc.share : 3,
        d: `M${from} ${middle}${number ? `C${from + third} ${middle - (4 / 3) * bend} ${to - third} ${middle - (4 / 3) * bend} ${to} ${middle}` : `H${to}`}` }),
        draw("path", { class: "tip", d: "M-8 -3.5L0 0L-8 3.5Z", transform: `translate(${to} ${middle}) rotate(${(180 / Math.PI) * Math.atan2((4 / 3) * bend, third)})` }));
      const text = draw("text", { class: number ? "word centred" : "word centred best", x: (from + to) / 2, y: bend < 0 ? y + 17 : y - 8 }, arc.label);
      text.append(draw("tspan", { class: "small", dx: 6 }, percent(arc.share)));
      texts.push(text);
    }));
    svg.append(...texts);
    places.forEach((x, i) => {
      svg.append(draw("path", { class: "leader", d: `M${x} ${middle + 8}V${high - 20}` }), draw("circle", { class: "state", cx: x, cy: middle, r: 5.5 }), draw("text", { class: "small middle", x, y: high - 6 }, times[i].toFixed(2)));
      if (i === places.length - 1) svg.append(draw("circle", { class: "state", cx: x, cy: middle, r: 2.5 }));
    });
    holder.replaceChildren(svg);
  }
  onChange(holder, paint);
  return holder;
}
