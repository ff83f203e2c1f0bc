// A strip of values over time: a row a unit, a column a step, its token above it.

import { canvasOf, named, scale } from "/page/colour.js";
import { make, shown, signed } from "/page/dom.js";

const HEAD = 22;

/** A gate's scale: its bounds, and where between them a value stands, from 0 to 1.
 *
 * What stays within 0 and 1, or ±1, is shown as it is; of what has no bounds the many small values are told apart, too:
 * the scale is that of a logarithm beyond half of them.
 */
export function scaleOf(columns) {
  const sizes = [];
  let low = 0, high = 0;
  for (const column of columns) for (const value of column) {
    if (value < low) low = value;
    if (value > high) high = value;
    sizes.push(Math.abs(value));
  }
  if (low >= 0 && high <= 1) return { low: 0, high: 1, share: (value) => value };
  if (low >= -1 && high <= 1) return { low: -1, high: 1, share: (value) => (value + 1) / 2 };
  const most = Math.max(-low, high), half = Float32Array.from(sizes).sort()[sizes.length >> 1] || most;
  const whole = Math.log1p(most / half);
  return { low: -most, high: most, share: (value) => 0.5 + (0.5 * Math.sign(value) * Math.log1p(Math.abs(value) / half)) / whole };
}

/** A number with two digits that count. */
const short = (value) => Number(value.toPrecision(2)).toLocaleString("en").replace("-", "\u2212");

/** The strip as an element with `show(state)`; `pick` is told the number of a step that is pointed at. */
export function strip(pick) {
  const canvas = make("canvas", { role: "img", class: "strip" });
  const told = make("p", { class: "told" });
  let now = { columns: [], labels: [], cursor: 0, name: "" };
  let first = 0, wide = 10, count = 0, plot = 200;

  const units = () => now.columns[0]?.length ?? 1;
  const again = canvasOf(canvas, () => HEAD + (plot = Math.max(units(), Math.min(256, Math.max(120, 2 * units())))), (pen, width) => {
    wide = width < 500 ? 9 : 11;
    count = Math.floor(width / wide);
    const total = now.columns.length;
    const last = Math.min(total, Math.max(count, now.cursor + 1 + Math.floor(count / 4)));
    first = Math.max(0, last - count);
    paintValues(pen, last);
    paintLabels(pen, last);
  });

  function paintValues(pen, last) {
    const columns = now.columns.slice(first, last);
    if (!columns.length) return;
    const { share } = now.scale, ramp = scale();
    const image = new ImageData(columns.length, units());
    columns.forEach((column, x) => column.forEach((value, y) => {
      const [r, g, b] = ramp[Math.round(255 * share(value))] ?? [0, 0, 0]; // none of what is no number
      image.data.set([r, g, b, 255], 4 * (y * columns.length + x));
    }));
    const small = new OffscreenCanvas(image.width, image.height);
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, HEAD, columns.length * wide, plot);
  }

  function paintLabels(pen, last) {
    pen.font = "12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
    pen.textAlign = "center";
    for (let at = first; at < last; at += 1) {
      const text = at ? shown(now.labels[at - 1] ?? "") : "·";
      pen.fillStyle = at === now.cursor ? named("--ink") : named("--soft");
      const x = (at - first) * wide + wide / 2;
      if ([...text].length === 1) pen.fillText(text === "␣" ? "" : text, x, 14);
      else if (text && at === now.cursor) pen.fillText(text, Math.max(x, pen.measureText(text).width / 2), 14);
    }
    const x = (now.cursor - first) * wide;
    pen.strokeStyle = named("--ink");
    pen.lineWidth = 1.5;
    pen.strokeRect(x + 0.75, HEAD - 0.75, wide - 1.5, plot);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const column = Math.min(now.columns.length - 1, first + Math.floor((event.clientX - box.left) / wide));
    const unit = Math.floor(((event.clientY - box.top - HEAD) / plot) * units());
    return [column, Math.max(0, Math.min(units() - 1, unit))];
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!now.columns.length) return;
    const [column, unit] = at(event);
    const what = column ? `after “${shown(now.labels[column - 1])}”` : "before anything";
    told.textContent = `unit ${unit + 1}, ${what}: ${signed(now.columns[column][unit], 3)}`;
  });
  canvas.addEventListener("pointerleave", () => tell());
  canvas.addEventListener("click", (event) => { if (now.columns.length) pick(at(event)[0]); });

  function tell() {
    const { low, high } = now.scale ?? { low: 0, high: 1 };
    told.replaceChildren(make("span", {}, short(low)), make("span", { class: "ramp", "aria-hidden": "true" }),
      make("span", {}, short(high)), make("span", { class: "more" }, now.note));
  }

  function show(state) {
    now = { ...now, ...state };
    now.scale = scaleOf(now.columns);
    canvas.setAttribute("aria-label", `${now.name}: ${units()} units, a row each, over ${now.columns.length} steps`);
    tell();
    again();
  }
  return { element: make("div", {}, canvas, told), show };
}
