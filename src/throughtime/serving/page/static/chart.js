// Chances over time, a line a class, each with its name at its end and a dash of its own.

import { draw, make, onChange, percent } from "/page/dom.js";

const DASHES = ["", "7 4", "2 3", "10 3 2 3", "1 4", "5 2"];

/** `rows` are `{ at, chances }` in order, `chances` by class; `unit` names what `at` counts. */
export function chances(rows, unit) {
  const last = rows.at(-1), names = Object.keys(last.chances).sort((one, other) => last.chances[other] - last.chances[one]).slice(0, DASHES.length);
  const holder = make("div", { class: "chart", role: "img", "aria-label": `chances so far: ${names.map((name) => `${name} ${percent(last.chances[name])}`).join(", ")}` });
  function paint() {
    const width = holder.clientWidth || 300, height = 190, right = 12 + 7.4 * Math.max(...names.map((name) => name.length)), top = 8, low = height - 26, left = 46;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
    const span = [rows[0].at, Math.max(last.at, rows[0].at + 1e-9)];
    const x = (at) => left + ((at - span[0]) / (span[1] - span[0])) * (width - left - right), y = (share) => low - share * (low - top);
    for (const share of [0, 0.5, 1]) svg.append(draw("path", { class: "leader", d: `M${left} ${y(share)}H${width - right}` }), draw("text", { class: "small end", x: left - 6, y: y(share) + 4 }, `${100 * share} %`));
    svg.append(draw("text", { class: "small", x: left, y: height - 6 }, `${span[0]}`), draw("text", { class: "small end", x: width - right, y: height - 6 }, `${span[1]} ${unit}`));
    const places = names.map((name) => y(last.chances[name]) + 4);
    for (let i = 1; i < places.length; i += 1) places[i] = Math.max(places[i], places[i - 1] + 16);
    const over = Math.max(0, places.at(-1) - (low + 6));
    names.forEach((name, i) => {
      svg.append(draw("path", { class: "course", "stroke-dasharray": DASHES[i], d: rows.map((row, k) => `${k ? "L" : "M"}${x(row.at)} ${y(row.chances[name] ?? 0)}`).join("") }),
        draw("text", { class: "small", x: width - right + 8, y: places[i] - over }, name));
    });
    holder.replaceChildren(svg);
  }
  onChange(holder, paint);
  return holder;
}
