// Tunes that a model draws: the piano roll, line below line, and how it sounds.

import { sample } from "/page/ask.js";
import { canvasOf, named } from "/page/colour.js";
import { button, labelled, make, percent, say } from "/page/dom.js";
import { play } from "/page/sound.js";

const BLACK = new Set([1, 3, 6, 8, 10]);
const BEAT = 26, KEY = 6, GAP = 26, BAR = 4;

/** The roll as an element with `show(notes, beat)`; `beat` is where it is played, none where it is not. */
function roll() {
  const canvas = make("canvas", { role: "img", "aria-label": "piano roll: no tune yet" });
  let notes = [], now = null, low = 60, high = 72, beats = 0, perLine = 16;
  const measure = () => {
        low = Math.min(57, ...notes.map((note) => note.pitch)) - 1;
    high = Math.max(72, ...notes.map((note) => note.pitch)) + 1;
    beats = Math.max(BAR, ...notes.map((note) => note.start + note.beats));
    perLine = Math.max(BAR, Math.min(Math.ceil(beats / BAR), Math.floor(canvas.clientWidth / BEAT / BAR)) * BAR);
    return Math.ceil(beats / perLine - 1e-9) * ((high - low + 1) * KEY + GAP);
  };
  const again = canvasOf(canvas, measure, (pen, width) => {
    const beat = width / perLine, tall = (high - low + 1) * KEY;
    for (let line = 0; line * perLine < beats; line += 1) {
      const top = line * (tall + GAP), wide = Math.min(perLine, Math.ceil((beats - line * perLine) / BAR) * BAR) * beat;
      pen.fillStyle = named("--sheet");
      pen.fillRect(0, top, wide, tall);
      for (let key = low; key <= high; key += 1) if (BLACK.has(key % 12)) {
        pen.fillStyle = named("--least");
        pen.fillRect(0, top + (high - key) * KEY, wide, KEY);
      }
      pen.fillStyle = named("--line");
      for (let at = 0; at * beat <= wide + 0.5; at += BAR) pen.fillRect(Math.min(at * beat, width - 1), top, 1, tall);
      pen.fillStyle = named("--soft");
      pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
      pen.fillText(`beat ${line * perLine + 1}`, 0, top + tall + 15);
    }
    for (const note of notes) for (let begin = note.start, left = note.beats; left > 1e-6;) {
      const line = Math.floor(begin / perLine + 1e-9), part = Math.min(left, (line + 1) * perLine - begin);
      const sounds = now !== null && now >= note.start && now < note.start + note.beats;
      pen.fillStyle = named(sounds ? "--hot" : "--accent");
      pen.beginPath();
      pen.roundRect((begin - line * perLine) * beat + 0.5, line * (tall + GAP) + (high - note.pitch) * KEY + 0.5, Math.max(3, part * beat - 1.5), KEY - 1, 2);
      pen.fill();
      if (sounds) { pen.strokeStyle = named("--ink"); pen.stroke(); }
      begin += part; left -= part;
    }
    if (now !== null && now >= 0 && now <= beats) {
      const line = Math.floor(now / perLine);
      pen.fillStyle = named("--ink");
      pen.fillRect((now - line * perLine) * beat, line * (tall + GAP), 1.5, tall);
    }
  });
  return {
    element: canvas,
    show(given, beat = null) {
      if (given !== notes) canvas.setAttribute("aria-label", `piano roll: ${given.map((note) => note.name).join(" ")}`);
      [notes, now] = [given, beat];
      again();
    },
  };
}

export function open(root, model, fail) {
  const prompt = make("input", { type: "text", value: "", spellcheck: "false", autocapitalize: "off", placeholder: "jigs, or C4 E4 G4" });
  const temperature = make("input", { type: "range", min: 0.3, max: 1.5, step: 0.05, value: 0.9 });
  const degrees = make("output", {}, "0.90");
  const pace = make("input", { type: "range", min: 60, max: 220, step: 5, value: 120 });
  const paces = make("output", {}, "120");
  const picture = roll(), told = make("p", { class: "told lead" }, "No tune yet.");
  const hear = button("Hear it", () => (playing ? playing.stop() : start()), { disabled: true });
  const draws = button("Draw a tune", drawn, { class: "main" });
  let notes = [], playing = null, asking = null;

  async function drawn() {
    playing?.stop();
    asking?.abort();
    const mine = (asking = new AbortController());
    draws.setAttribute("aria-busy", "true");
    try {
      const found = await sample(model, prompt.value.trim(), { temperature: Number(temperature.value), length: 200 }, mine.signal);
      fail(null);
      notes = found.notes;
      hear.disabled = !notes.length;
      picture.show(notes);
      const heard = notes.length ? `${notes.length} notes, ${percent(found.in_key)} of them in the scale that fits best.` : "No notes: the tune ended at once.";
      told.textContent = heard;
      say(heard);
    } catch (error) { fail(error); }
    draws.removeAttribute("aria-busy");
  }

  function start() {
    playing = play(notes, Number(pace.value), () => { playing = null; hear.textContent = "Hear it"; picture.show(notes); });
    hear.textContent = "Stop";
    const follow = () => { if (playing) { picture.show(notes, playing.beats()); requestAnimationFrame(follow); } };
    follow();
  }

  temperature.addEventListener("input", () => { degrees.textContent = Number(temperature.value).toFixed(2); });
  pace.addEventListener("input", () => { paces.textContent = pace.value; });
  prompt.addEventListener("keydown", (event) => { if (event.key === "Enter") drawn(); });
  root.replaceChildren(
    make("section", { "aria-labelledby": "tune-title" }, make("h2", { id: "tune-title" }, "A tune"),
      make("div", { class: "tools start" }, labelled("Begin with", prompt), draws, hear),
      make("div", { class: "tools start" }, labelled("Temperature", temperature, degrees), labelled("Beats a minute", pace, paces))),
    make("section", { "aria-label": "the roll" }, told, picture.element));
  drawn();
  return () => { playing?.stop(); asking?.abort(); };
}
