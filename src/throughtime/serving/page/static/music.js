// Tunes as a model draws them, note by note: the piano roll, line below line, and how it sounds.

import { stream } from "/page/ask.js";
import { canvasOf, named } from "/page/colour.js";
import { button, labelled, make, percent, say } from "/page/dom.js";
import { player } from "/page/sound.js";

const PART = 8; // of a tune that is drawn at once: what is played is drawn just before
const AHEAD = 6; // beats
const MOST = { silent: 240, aloud: 1600 }; // events, or frames
const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const MAJOR = [0, 2, 4, 5, 7, 9, 11];
const BLACK = new Set([1, 3, 6, 8, 10]);
const BEAT = 26, KEY = 6, GAP = 26, BAR = 4;

/** The roll as an element with `show(notes, beat)`; `beat` is where it is played, none where it is not. */
function roll() {
  const canvas = make("canvas", { role: "img", "aria-label": "piano roll: no tune yet" });
  let notes = [], now = null, low = 60, high = 72, beats = 0, perLine = 16;
  const measure = () => {
    low = Math.min(48, ...notes.map((note) => note.pitch)) - 1;
    high = Math.max(84, ...notes.map((note) => note.pitch)) + 1;
    beats = Math.max(BAR, ...notes.map((note) => note.start + note.beats));
    perLine = Math.max(BAR, Math.floor(canvas.clientWidth / BEAT / BAR) * BAR); // whatever there is yet, so that nothing moves as it grows
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

/** A pitch of a name, such as C4 or bb3; none of what is no name of one. */
function pitchOf(name) {
  const found = /^([A-Ga-g])([#b]?)(-?\d)$/.exec(name);
  return found ? 12 * (Number(found[3]) + 1) + NAMES.indexOf(found[1].toUpperCase()) + { "": 0, "#": 1, b: -1 }[found[2]] : null;
}

/** A genre, and chords of a beat each, of what a tune is to begin with. */
function begun(prompt) {
  const words = prompt.split(/\s+/).filter(Boolean);
  const first = words.findIndex((word) => pitchOf(word.split("+")[0]) !== null), at = first < 0 ? words.length : first;
  const chords = words.slice(at).map((word) => word.split("+").map((name) => pitchOf(name) ?? name));
  return { genre: words.slice(0, at).join(" "), chords };
}

/** The share of notes in the scale that fits them best. */
function inKey(notes) {
  const shares = NAMES.map((_, tonic) => notes.filter(({ pitch }) => MAJOR.includes((pitch - tonic + 120) % 12)).length);
  return Math.max(...shares) / Math.max(1, notes.length);
}

/** Notes of frames of keys: `add(keys)` gives those that begin with a frame and those that ended before it, `rest()` the others. */
function keyed(grid) {
  let at = 0, sounding = new Map();
  return {
    add(keys) {
      const before = sounding;
      sounding = new Map(keys.map((pitch) => [pitch, before.get(pitch) ?? { start: at / grid, beats: 0, pitch, name: `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}` }]));
      at += 1;
      for (const note of sounding.values()) note.beats = at / grid - note.start;
      const not = (others) => (note) => !others.has(note.pitch);
      return { fresh: [...sounding.values()].filter(not(before)), ended: [...before.values()].filter(not(sounding)) };
    },
    rest: () => [...sounding.values()],
    beats: () => at / grid,
  };
}

export function open(root, model, fail) {
  const prompt = make("input", { type: "text", value: "", spellcheck: "false", autocapitalize: "off", placeholder: "jigs, or C4 E4 G4" });
  const temperature = make("input", { type: "range", min: 0.3, max: 1.5, step: 0.05, value: 0.9 });
  const degrees = make("output", {}, "0.90");
  const pace = make("input", { type: "range", min: 60, max: 220, step: 5, value: 120 });
  const paces = make("output", {}, "120");
  const picture = roll(), told = make("p", { class: "told lead" }, "No tune yet.");
  const aloud = button("Draw and hear", () => (playing ? playing.stop() : draw(true)), { class: "main" });
  const silent = button("Draw at once", () => draw(false));
  const again = button("Hear it again", () => (playing ? playing.stop() : hearAgain()), { disabled: true });
  let notes = [], playing = null, feed = null;

  function tell(drawing) {
    again.disabled = drawing || !notes.length;
    const heard = notes.length ? `${notes.length} notes, ${percent(inKey(notes))} of them in the scale that fits best${drawing ? " so far" : ""}.` : drawing ? "\u00a0" : "No notes: the tune ended at once.";
    told.textContent = heard;
    if (!drawing) say(heard);
  }

  /** Follows what is played on the roll. */
  function follow() {
    if (!playing) return;
    picture.show(notes, playing.beats());
    requestAnimationFrame(follow);
  }
  const play = (shown, ended) => {
    const mine = player(Number(pace.value), () => { playing = null; shown.textContent = shown.dataset.name; picture.show(notes); ended(); });
    shown.dataset.name ??= shown.textContent;
    shown.textContent = "Stop";
    playing = mine;
    follow();
    return mine;
  };

  /** Asks for a tune part by part, each when what is there has nearly been heard; at once where nothing is. */
  function draw(heard) {
    playing?.stop();
    feed?.close();
    const { genre, chords } = begun(prompt.value), most = MOST[heard ? "aloud" : "silent"];
    let read = 0, upTo = 0, keys = null, over = false;
    const finish = () => {
      if (over) return;
      over = true;
      mine.close();
      tell(false);
      if (keys) playing?.add(keys.rest());
      playing?.last();
    };
    const more = () => {
      if (over) return;
      if (read >= most) return finish();
      if (playing && upTo - playing.beats() > AHEAD) return setTimeout(more, 60);
      mine.send({ draw: { temperature: Number(temperature.value), length: PART } });
    };
    function take(fresh, whole) {
      notes = [...notes, ...fresh];
      playing?.add(whole);
      picture.show(notes, playing?.beats() ?? null);
      tell(true);
    }
    function hear(event) {
      if (over) return;
      if (event.token) {
        if (event.step === "frame") keys = keyed(event.grid);
        if (chords.length) mine.send({ notes: chords.flatMap((chord, i) => (keys ? Array(event.grid).fill(chord) : chord.map((pitch) => [i, 1, pitch]))) });
        return more();
      }
      fail(null);
      read += (event.events ?? event.frames).length;
      const found = (event.frames ?? []).map((frame) => keys.add(frame.keys));
      if (event.notes) take(event.notes, event.notes); else take(found.flatMap((each) => each.fresh), found.flatMap((each) => each.ended));
      upTo = keys ? keys.beats() : Math.max(upTo, ...event.notes.map((note) => note.start));
      if (event.drawing === false) (event.ended ? finish : more)();
    }
    notes = [];
    picture.show(notes);
    if (heard) play(aloud, () => { finish(); });
    const mine = (feed = stream(model, genre ? { genre } : {}, hear, (error) => { over = true; playing?.stop(); fail(error); }));
  }

  function hearAgain() {
    const mine = play(again, () => {});
    mine.add(notes);
    mine.last();
  }

  temperature.addEventListener("input", () => { degrees.textContent = Number(temperature.value).toFixed(2); });
  pace.addEventListener("input", () => { paces.textContent = pace.value; });
  prompt.addEventListener("keydown", (event) => { if (event.key === "Enter") draw(false); });
  root.replaceChildren(
    make("section", { "aria-labelledby": "tune-title" }, make("h2", { id: "tune-title" }, "A tune"),
      make("div", { class: "tools start" }, labelled("Begin with", prompt), aloud, silent, again),
      make("div", { class: "tools start" }, labelled("Temperature", temperature, degrees), labelled("Beats a minute", pace, paces))),
    make("section", { "aria-label": "the roll" }, told, picture.element));
  draw(false);
  return () => { playing?.stop(); feed?.close(); };
}
