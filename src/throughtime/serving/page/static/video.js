// Key points over time, drawn by hand, with the chances of every class so far; or a clip, window by window.

import { predict, predictFile } from "/page/ask.js";
import { chances } from "/page/chart.js";
import { canvasOf, named } from "/page/colour.js";
import { bars, button, calmly, draw, make, onChange, percent, say } from "/page/dom.js";

const STEPS = 16;
const round = (turn) => (share) => [0.5 + 0.28 * Math.cos(turn * 2 * Math.PI * share), 0.5 + 0.28 * Math.sin(turn * 2 * Math.PI * share)];
const GESTURES = { "A circle, clockwise": round(1), "A circle, the other way": round(-1), "A move to the right": (share) => [0.15 + 0.7 * share, 0.5], "Still": () => [0.5, 0.5] };

/** So many points of a way, evenly in time. */
export const resampled = (way, steps) => Array.from({ length: steps }, (_, i) => {
  const at = (i / (steps - 1)) * (way.length - 1), low = Math.floor(at), high = Math.min(way.length - 1, low + 1);
  return way[low].map((value, k) => value + (at - low) * (way[high][k] - value));
});

/** The way so far at some of its steps, picture beside picture. */
function course(points) {
  const holder = make("div", { class: "frames", role: "img", "aria-label": `${points.length} steps of a way` });
  function paint() {
    const count = holder.clientWidth < 500 ? 4 : 8, side = (holder.clientWidth - 6 * (count - 1)) / count;
    holder.replaceChildren(...Array.from({ length: count }, (_, i) => {
      const upto = Math.max(1, Math.round(((i + 1) / count) * points.length)), some = points.slice(0, upto).map(([x, y]) => [side * x, side * y]);
      const svg = draw("svg", { viewBox: `0 0 ${side} ${side}`, width: side, height: side, "aria-hidden": "true" });
      svg.append(draw("path", { class: "course", d: some.map(([x, y], k) => `${k ? "L" : "M"}${x} ${y}`).join("") }), draw("circle", { class: "gene", cx: some.at(-1)[0], cy: some.at(-1)[1], r: 4 }));
      return svg;
    }));
  }
  onChange(holder, paint);
  return holder;
}

function pad(drawn) {
  let way = [], down = false;
  const canvas = make("canvas", { class: "pad", role: "img", "aria-label": "a field to draw a way in; the buttons beside it draw some, too" });
  const again = canvasOf(canvas, () => canvas.clientWidth, (pen, side) => {
    pen.strokeStyle = pen.fillStyle = named("--accent");
    pen.lineWidth = 3;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    way.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x * side, y * side));
    pen.stroke();
    if (way.length) { pen.beginPath(); pen.arc(way.at(-1)[0] * side, way.at(-1)[1] * side, 6, 0, 7); pen.fill(); }
    else { pen.fillStyle = named("--soft"); pen.font = "15px system-ui, 'DejaVu Sans', sans-serif"; pen.textAlign = "center"; pen.fillText("draw here", side / 2, side / 2); }
  });
  const point = (event) => { const box = canvas.getBoundingClientRect(); return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]; };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); down = true; way = [point(event)]; again(); });
  canvas.addEventListener("pointermove", (event) => { if (down) { way.push(point(event)); again(); drawn(way); } });
  canvas.addEventListener("pointerup", () => { down = false; drawn(way); });
  return { element: canvas, show(given) { way = given; again(); drawn(way); } };
}

export function open(root, model, fail) {
  const picture = make("div", { class: "picture" });
  let asking = null;
  const ask = async (does) => {
    asking?.abort();
    asking = new AbortController();
    try { await does(asking.signal); fail(null); } catch (error) { fail(error); }
  };

  const show = calmly((way) => way.length > 1 && ask(async (signal) => {
    const points = resampled(way, STEPS), upto = Array.from({ length: STEPS - 1 }, (_, i) => i + 2);
    const { predictions: found } = await predict(model, upto.map((count) => points.slice(0, count)), {}, signal);
    picture.replaceChildren(course(points), chances(upto.map((at, i) => ({ at, chances: found[i].probabilities })), "steps"), bars(Object.entries(found.at(-1).probabilities)));
    say(`${found.at(-1).label}, ${percent(found.at(-1).probabilities[found.at(-1).label])}`);
  }), 120);

  const showFile = (file) => ask(async (signal) => {
    const { predictions: found } = await predictFile(model, file, {}, signal);
    picture.replaceChildren(...found.slice(0, 20).flatMap((each) => [make("h3", {}, each.clip ?? file.name), bars(Object.entries(each.probabilities)),
      each.windows?.length > 1 ? chances(each.windows.map((window) => ({ at: window.start, chances: window.probabilities })), "s") : null]).filter(Boolean));
    say(found.map((each) => each.label).join(", "));
  });

  const file = make("input", { type: "file", id: "clip", class: "unseen", accept: "video/*,.gif,.csv,.tsv" });
  file.addEventListener("change", () => file.files[0] && showFile(file.files[0]));
  const pick = make("span", { class: "pick" }, file, make("label", { for: "clip" }, "A file"));
  const field = pad(show);
  const gesture = (name) => button(name, () => field.show(Array.from({ length: 48 }, (_, i) => GESTURES[name](i / 47))));
  const drawing = make("div", { class: "drawing" }, field.element, make("div", { class: "stack" }, Object.keys(GESTURES).map(gesture), pick));
  const head = make("section", { "aria-labelledby": "video-title" }, make("h2", { id: "video-title" }, "A way over time"), drawing);
  root.replaceChildren(head, make("section", { "aria-labelledby": "class-title" }, make("h2", { id: "class-title" }, "What it is, so far"), picture));
  const { numbers } = model.throughtime.uses.predict;
  if (/\b2\]/.test(numbers)) field.show(Array.from({ length: 48 }, (_, i) => GESTURES["A circle, clockwise"](i / 47)));
  else head.replaceChildren(make("h2", { id: "video-title" }, numbers ? `A table of ${numbers}` : "A clip"), make("div", { class: "tools" }, pick));
  return () => asking?.abort();
}
