// Speech: what is said, as it is said, when each word was, and what else it may have been.

import { get, key, predictFile } from "/page/ask.js";
import { button, labelled, make, percent, say } from "/page/dom.js";
import { decoded, joined, listen, pcm16, wav, waveform } from "/page/sound.js";

const NBEST = 8;
const NONE = "none";

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

/** Hypotheses side by side, word below word: columns of `[word, share]`, the likeliest first; "" where one has no word. */
export function lattice(hypotheses) {
  const best = Math.max(...hypotheses.map((one) => one.score));
  const weights = hypotheses.map((one) => Math.exp(one.score - best));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const spine = hypotheses[0].text.split(" ");
  const columns = Array.from({ length: 2 * spine.length + 1 }, () => new Map());
  hypotheses.forEach((one, i) => {
    const found = aligned(spine, one.text.split(" "));
    columns.forEach((column, at) => column.set(found[at], (column.get(found[at]) ?? 0) + weights[i] / whole));
  });
  return columns.map((column) => [...column].sort((one, other) => other[1] - one[1]))
    .filter((column) => column.some(([word]) => word !== ""));
}

/** A text's words along another's, in its words and between them, by the fewest changes. */
function aligned(spine, words) {
  const cost = Array.from({ length: spine.length + 1 }, (_, i) => Array.from({ length: words.length + 1 }, (_, j) => (i ? 0 : j) + (j ? 0 : i)));
  for (let i = 1; i <= spine.length; i += 1) for (let j = 1; j <= words.length; j += 1)
    cost[i][j] = Math.min(cost[i - 1][j - 1] + (spine[i - 1] !== words[j - 1]), cost[i - 1][j] + 1, cost[i][j - 1] + 1);
  const found = Array(2 * spine.length + 1).fill("");
  for (let i = spine.length, j = words.length; i || j;) {
    if (i && j && cost[i][j] === cost[i - 1][j - 1] + (spine[i - 1] !== words[j - 1])) found[2 * (i -= 1) + 1] = words[(j -= 1)];
    else if (i && cost[i][j] === cost[i - 1][j] + 1) i -= 1;
    else { j -= 1; found[2 * i] = `${words[j]} ${found[2 * i]}`.trim(); }
  }
  return found;
}

function shownLattice(title, found) {
  const columns = lattice(found.hypotheses);
  return make("div", { class: "hypotheses" }, make("h3", {}, title), make("p", { class: "result" }, found.text || "(nothing)"),
    make("ol", { class: "lattice", "aria-label": "what each word may have been" }, columns.map((column) => make("li", {}, column.slice(0, 4).map(([word, share]) => {
      const one = make("span", { class: "word" }, word || "–", make("small", {}, percent(share)));
      one.style.setProperty("--share", share);
      return one;
    })))));
}

export function open(root, model, fail) {
  const wave = waveform(), partial = make("p", { class: "result", "aria-live": "polite" }, "\u00a0"), told = make("div", { class: "several" });
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
      told.replaceChildren(shownLattice("The recogniser alone", found), ...(warnings.length ? [make("p", { class: "told" }, warnings.join(" · "))] : []));
      say(found.text || "nothing was heard");
      if (helper.value !== NONE) told.firstChild.after(shownLattice(`With ${helper.value}`, (await ask({ lm: helper.value })).predictions[0]));
    } catch (error) { fail(error); }
  }

  // The microphone: samples go to the server as they come, and what is heard so far comes back.

  async function begin() {
    const pieces = [];
    let socket = null;
    wave.begin();
    try {
      const heard = await listen((samples) => {
        pieces.push(samples);
        if (socket?.readyState === WebSocket.OPEN) socket.send(pcm16(samples));
        wave.grow(samples);
      });
      const address = `${location.origin.replace(/^http/, "ws")}/stream/${model.id}`;
      socket = new WebSocket(address, key() ? ["throughtime", `key.${key()}`] : []); // no header of a socket is ours to set
      socket.onopen = () => socket.send(JSON.stringify({ open: { rate: heard.rate, format: "pcm16" } }));
      socket.onmessage = (event) => {
        const said = JSON.parse(event.data);
        if (said.partial !== undefined) partial.textContent = said.partial || "\u00a0";
      };
      live = { heard, socket, pieces };
      microphone.textContent = "Stop";
      partial.textContent = "\u00a0";
      told.replaceChildren();
    } catch (error) {
      fail(error instanceof DOMException ? Object.assign(error, { name: "AbortError" }) : error);
      told.replaceChildren(make("p", { class: "told" }, "The browser gives no microphone here; choose a file."));
    }
  }

  async function end() {
    const { heard, socket, pieces } = live;
    live = null;
    microphone.textContent = "Speak";
    await heard.stop();
    socket.close();
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
  return () => { asking?.abort(); if (live) { live.heard.stop(); live.socket.close(); live = null; } };
}
