// Sound in and out: the microphone, waveforms, files of samples, tones.

import { canvasOf, named } from "/page/colour.js";
import { make } from "/page/dom.js";

const BUCKET = 256; // samples that a waveform tells together

/** Listens to the microphone; `heard` is given samples as they come. Gives the rate and what stops it. */
export async function listen(heard) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/page/microphone.js");
  const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
  worklet.port.onmessage = (event) => heard(event.data);
  context.createMediaStreamSource(stream).connect(worklet);
  return {
    rate: context.sampleRate,
    stop: () => {
      stream.getTracks().forEach((track) => track.stop());
      return context.close();
    },
  };
}

/** The samples of a file, of its channels' mean, and their rate. */
export async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, 48000);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1)
    sound.getChannelData(channel).forEach((value, i) => { samples[i] += value / sound.numberOfChannels; });
  return { samples, rate: sound.sampleRate };
}

/** Samples as whole numbers of 16 bits. */
export const pcm16 = (samples) => Int16Array.from(samples, (value) => Math.max(-32768, Math.min(32767, Math.round(32768 * value))));

/** Samples as a wav file. */
export function wav(samples, rate) {
  const data = pcm16(samples), head = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF"); head.setUint32(4, 36 + data.byteLength, true); write(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  write(36, "data"); head.setUint32(40, data.byteLength, true);
  return new File([head, data], "recording.wav", { type: "audio/wav" });
}

/** Joins pieces of samples. */
export function joined(pieces) {
  const whole = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) { whole.set(piece, at); at += piece.length; }
  return whole;
}

/** The lowest and the highest of every so many samples. */
function envelope(samples) {
  const found = [];
  for (let at = 0; at < samples.length; at += BUCKET) {
    let low = 0, high = 0;
    for (let i = at, end = Math.min(samples.length, at + BUCKET); i < end; i += 1) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    found.push([low, high]);
  }
  return found;
}

/**
 * A waveform as an element: `show(samples, rate, words)`, words below it at their times; `begin()`, and `grow(samples)`
 * as they come, which costs no more the longer it is.
 */
export function waveform() {
  const canvas = make("canvas", { role: "img", "aria-label": "waveform: no sound yet" });
  const high = 120, below = 30;
  let buckets = [], seconds = 0, words = [];
  const again = canvasOf(canvas, high + below, (pen, width) => {
    pen.fillStyle = named("--line");
    pen.fillRect(0, high / 2, width, 1);
    const most = buckets.reduce((best, [low, top]) => Math.max(best, -low, top), 0.02);
    pen.fillStyle = named("--accent");
    const part = buckets.length / width;
    for (let x = 0; x < width && part; x += 1) {
      let top = 0, low = 0;
      for (let i = Math.floor(x * part), end = Math.max(i + 1, Math.floor((x + 1) * part)); i < end; i += 1) [low, top] = [Math.min(low, buckets[i][0]), Math.max(top, buckets[i][1])];
      pen.fillRect(x, (high / 2) * (1 - top / most), 1, Math.max(1, ((top - low) * high) / 2 / most));
    }
    pen.font = "14px system-ui, 'DejaVu Sans', sans-serif";
    pen.textAlign = "center";
    for (const word of words) {
      const [left, right] = [word.start, word.end].map((time) => (time / seconds) * width);
      pen.fillStyle = named("--ink");
      pen.fillRect(left, high + 4, Math.max(2, right - left), 2);
      pen.fillText(word.symbol, Math.max(12, Math.min(width - 12, (left + right) / 2)), high + 23);
    }
  });
  return {
    element: canvas,
    begin() { [buckets, seconds, words] = [[], 0, []]; again(); },
    grow(samples) { buckets.push(...envelope(samples)); requestAnimationFrame(again); },
    show(samples, rate, given = []) {
      [buckets, seconds, words] = [envelope(samples), samples.length / rate, given];
      canvas.setAttribute("aria-label", `waveform: ${seconds.toFixed(1)} seconds of sound${words.length ? `; ${words.map((word) => `${word.symbol} at ${word.start.toFixed(1)}`).join(", ")}` : ""}`);
      again();
    },
  };
}

/**
 * Plays notes `{start, beats, pitch}` as they come: `add(notes)`, and `last()` when no more do; `ended` is told when all
 * were heard, or `stop()` was called. `beats()` have passed; where notes come too late, time waits for them.
 */
export function player(perMinute, ended) {
  const context = new AudioContext(), beat = 60 / perMinute, out = context.createDynamicsCompressor();
  let begin = context.currentTime + 0.1, until = 0, timer = null, over = false;
  out.connect(context.destination);

  function sound(at, end, pitch) {
    const tone = context.createOscillator(), loud = context.createGain();
    tone.type = "triangle";
    tone.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.22, at + 0.015);
    loud.gain.exponentialRampToValueAtTime(0.05, end);
    loud.gain.linearRampToValueAtTime(0, end + 0.05);
    tone.connect(loud).connect(out);
    tone.start(at);
    tone.stop(end + 0.06);
  }
  function stop() {
    if (over) return;
    over = true;
    clearTimeout(timer);
    context.close();
    ended();
  }
  return {
    add(notes) {
      for (const { start, beats, pitch } of notes) {
        begin += Math.max(0, context.currentTime + 0.03 - (begin + start * beat));
        const at = begin + start * beat, end = at + Math.max(0.08, beats * beat - 0.02);
        sound(at, end, pitch);
        until = Math.max(until, end + 0.1);
      }
    },
    last() { timer = setTimeout(stop, Math.max(0, 1000 * (until - context.currentTime))); },
    stop,
    beats: () => (context.currentTime - begin) / beat,
  };
}
