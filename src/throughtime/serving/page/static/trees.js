// A sentence as a tree, a label at every node: the words from top to bottom, the root on the left.

import { colour } from "/page/colour.js";
import { bars, draw, make, onChange, percent, say } from "/page/dom.js";
import * as line from "/page/line.js";

const ROW = 30;

/** Nodes with their places: `row` of the words, `deep` steps below the root. */
export function laidOut(nodes) {
  const children = nodes.map(() => []);
  nodes.forEach((node, i) => { if (node.parent >= 0) children[node.parent].push(i); });
  const root = nodes.findIndex((node) => node.parent < 0);
  const placed = nodes.map(() => ({ row: 0, deep: 0 }));
  let row = 0;
  const pending = [[root, 0, false]];
  while (pending.length) {
    const [i, deep, back] = pending.pop();
    const below = children[i];
    placed[i].deep = deep;
    if (!below.length) placed[i].row = row++;
    else if (back) {
      const own = nodes[i].word === null || nodes[i].word === undefined ? [] : [placed[i].row];
      placed[i].row = [...own, ...below.map((child) => placed[child].row)].reduce((sum, each) => sum + each, 0) / (below.length + own.length);
    } else {
      // A word that others depend on stands where the sentence has it.
      pending.push([i, deep, true]);
      const after = below.filter((child) => child > i), before = below.filter((child) => child < i);
      for (const child of after.reverse()) pending.push([child, deep + 1, false]);
      if (nodes[i].word !== null && nodes[i].word !== undefined) placed[i].row = row++;
      for (const child of before.reverse()) pending.push([child, deep + 1, false]);
    }
  }
  return { placed, rows: row };
}

function tree(found) {
  const holder = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `the tree: ${found.tree}` });
  const labels = [...new Set([...Object.keys(found.probabilities), ...found.nodes.map((node) => node.label)])].sort();
  const { placed, rows } = laidOut(found.nodes);
  const deepest = Math.max(...placed.map((place) => place.deep), 1);

  function paint() {
    const words = Math.max(...found.nodes.map((node) => (node.word ?? "").length)) * 9 + 34;
    const step = Math.max(15, Math.min(64, (holder.clientWidth - words - 30) / deepest));
    const right = deepest * step + 28;
    const width = right + words, height = rows * ROW + 8;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
    const x = (i) => 14 + placed[i].deep * step, y = (i) => 18 + placed[i].row * ROW;
    found.nodes.forEach((node, i) => {
      if (node.parent >= 0) svg.append(draw("path", { class: "branch", d: `M${x(node.parent)} ${y(node.parent)}V${y(i)}H${x(i)}` }));
      if (node.word !== null && node.word !== undefined) {
        if (x(i) + 14 < right) svg.append(draw("path", { class: "leader", d: `M${x(i)} ${y(i)}H${right}` }));
        svg.append(draw("text", { class: "word", x: right + 4, y: y(i) + 5 }, node.word));
      }
    });
    const short = labels.every((label) => label.length < 3);
    found.nodes.forEach((node, i) => {
      const share = labels.length > 1 ? labels.indexOf(node.label) / (labels.length - 1) : 1;
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      const dot = draw("circle", { class: "node", cx: x(i), cy: y(i), r: short ? 10 : 6, fill: colour(share) }, draw("title", {}, `${node.label}, ${percent(node.probability)}`));
      svg.append(dot, short ? draw("text", { class: share > 0.45 !== dark ? "on-dark" : "on-light", x: x(i), y: y(i) + 4.5 }, node.label) : draw("text", { class: "beside", x: x(i) + 9, y: y(i) - 4 }, node.label));
    });
    holder.replaceChildren(svg);
  }
  onChange(holder, paint);
  return holder;
}

export const trees = {
  open: (root, model, fail) => line.open(root, model, fail, {
    title: "A tree in brackets, or plain words", heading: "A label at every node", rows: 4,
    names: ["A tree", "Not very good", "Plain words"],
    examples: [
      "(_ (_ It) (_ (_ (_ is) (_ (_ a) (_ (_ (_ warm) (_ (_ ,) (_ funny))) (_ film)))) (_ .)))",
      "(_ (_ not) (_ (_ very) (_ good)))",
      "the plot is thin but the actors are wonderful",
    ],
    show: (found) => [found.nodes.length ? tree(found) : make("p", {}, "No words."), make("div", { class: "narrow" }, make("h3", {}, "Of the whole"), bars(Object.entries(found.probabilities)))],
    told: (found) => say(`The whole: ${found.label}, ${percent(found.probabilities[found.label] ?? 0)}`),
  }),
};
