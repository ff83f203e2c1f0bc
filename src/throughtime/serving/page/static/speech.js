// Speech: what is said, as it is said, when each word was, and what else it may have been.

import { get, predictFile, stream } from "/page/ask.js";
import { button, labelled, make, say } from "/page/dom.js";
import { lattice, wordsOf } from "/page/lattice.js";
import { decoded, joined, listen, pcm16, wav, waveform } from "/page/sound.js";

const NBEST = 8;
const NONE = "none";
const KEY = "Every arc is a word, or a letter, between two moments, in seconds, with its share of the likeliest hypotheses; – stands for nothing said. The thick line is the likeliest.";

const graphed = (title, found) => make("div", { class: "hypotheses" }, make("h3", {}, title), make("p", { class: "result" }, found.text || "(nothing)"), lattice(found));

export function open(root, model, fail) {
  const wave = waveform(), partial = make("p", { class: "result", "aria-live": "polite" }, "\u00a0"), told = make("div");
  const file = make("input", { type: "file", id: "sound", class: "unseen", accept: "audio/*,.wav,.flac,.ogg,.mp3" });
  const helper = make("select", {}, make("option", { value: NONE }, NONE));
  const microphone = button("Speak", () => (live ? end() : begin()), { class: "main" });
  let live = null, last = null, asking = null;

  get("/v1/models").then(({ data }) => helper.append(...data.filter((other) => other.task === "text").map((other) => make("option", { value: other.id }, other.id)))).catch(fail);

  async function hear(sound) {
    last = sound;
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const ask = (more) => predictFile(model, sound, { nbest: NBEST, explain: true, ...more }, mine.signal);
      const { predictions: [found], warnings } = await ask({});
      fail(null);
      const words = wordsOf(found.symbols ?? []);
      partial.textContent = found.text || "(nothing)";
      decoded(sound).then(({ samples, rate }) => wave.show(samples, rate, words)).catch(() => wave.begin()); // a kind of file that the browser does not read
      told.replaceChildren(graphed("The recogniser alone", found), make("p", { class: "told" }, KEY), ...(warnings.length ? [make("p", { class: "told" }, warnings.join(" · "))] : []));
      say(found.text || "nothing was heard");
      if (helper.value !== NONE) told.firstChild.after(graphed(`With ${helper.value}`, (await ask({ lm: helper.value })).predictions[0]));
    } catch (error) { fail(error); }
  }

  // The microphone: samples go to the server as they come, and what is heard so far comes back.

  async function begin() {
    const pieces = [];
    let feed = null;
    wave.begin();
    try {
      const heard = await listen((samples) => {
        pieces.push(samples);
        feed?.send(pcm16(samples));
        wave.grow(samples);
      });
      feed = stream(model, { rate: heard.rate, format: "pcm16" }, (told) => {
        if (told.partial !== undefined) partial.textContent = told.partial || "\u00a0";
      }, fail);
      live = { heard, feed, pieces };
      microphone.textContent = "Stop";
      partial.textContent = "\u00a0";
      told.replaceChildren();
    } catch (error) {
      fail(error instanceof DOMException ? Object.assign(error, { name: "AbortError" }) : error);
      told.replaceChildren(make("p", { class: "told" }, "The browser gives no microphone here; choose a file."));
    }
  }

  async function end() {
    const { heard, feed, pieces } = live;
    live = null;
    microphone.textContent = "Speak";
    await heard.stop();
    feed.close();
    if (pieces.length) hear(wav(joined(pieces), heard.rate));
  }

  file.addEventListener("change", () => file.files[0] && hear(file.files[0]));
  helper.addEventListener("change", () => last && hear(last));
  root.replaceChildren(
    make("section", { "aria-labelledby": "speech-title" }, make("h2", { id: "speech-title" }, "Speak, or choose a recording"),
      make("div", { class: "tools" }, microphone, make("span", { class: "pick" }, file, make("label", { for: "sound" }, "A file")), labelled("Language model beside it", helper)),
      wave.element),
    make("section", { "aria-labelledby": "said-title" }, make("h2", { id: "said-title" }, "What is said"), partial, told));
  wave.begin();
  return () => { asking?.abort(); if (live) { live.heard.stop(); live.feed.close(); live = null; } };
}
