// One scale for all values: the more, the farther from the ground; told apart in grey, too.

import { onChange } from "/page/dom.js";

let ramp = null;
let dark = null;

/** 256 colours from a value's least to its most, `[r, g, b]` each, as the style sheet has them now. */
export function scale() {
  const now = matchMedia("(prefers-color-scheme: dark)").matches;
  if (ramp && now === dark) return ramp;
  dark = now;
  const style = getComputedStyle(document.documentElement);
  const stops = ["--least", "--middle", "--most"].map((name) => channels(style.getPropertyValue(name).trim()));
  ramp = Array.from({ length: 256 }, (_, i) => {
    const [from, to, share] = i < 128 ? [stops[0], stops[1], i / 128] : [stops[1], stops[2], (i - 128) / 127];
    return from.map((value, k) => Math.round(value + share * (to[k] - value)));
  });
  return ramp;
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** The colour of a share, for elements. */
export const colour = (share) => `rgb(${scale()[Math.max(0, Math.min(255, Math.round(255 * share)))].join(" ")})`;

/** A colour of the style sheet. */
export const named = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A canvas as sharp as the screen; `paint` draws in CSS pixels whenever its size or the page's colours change. */
export function canvasOf(canvas, height, paint) {
  const again = () => {
    const width = canvas.clientWidth, high = typeof height === "function" ? height() : height;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    canvas.style.height = `${high}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(high * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, high);
    paint(pen, width, high);
  };
  onChange(canvas, again);
  return again;
}
