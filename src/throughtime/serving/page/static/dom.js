// Elements, numbers and words, the same in every view.

/** Makes an element: attributes and listeners (`onclick`) by name, then children, texts among them. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Makes an element of SVG. */
export function draw(tag, given = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

let counted = 0;
/** An id that nothing else has. */
export const newId = (name) => `${name}-${(counted += 1)}`;

/** A control with its label. */
export function labelled(text, control, after = "") {
  control.id ||= newId("control");
  return make("div", { class: "field" }, make("label", { for: control.id }, text), control, after);
}

/** A button that does something. */
export const button = (text, does, given = {}) => make("button", { type: "button", onclick: does, ...given }, text);

/** A choice of one of several, as radio buttons; `does` is told which. */
export function choice(legend, names, chosen, does) {
  const group = newId("choice");
  const options = names.map((name) => {
    const input = make("input", { type: "radio", name: group, value: name, checked: name === chosen, id: newId("option") });
    input.addEventListener("change", () => does(name));
    return make("span", { class: "option" }, input, make("label", { for: input.id }, name));
  });
  return make("fieldset", { class: "choice" }, make("legend", {}, legend), options);
}

/** A list of names with their shares as bars; `does` makes each a button. */
export function bars(rows, does = null) {
  return make("ol", { class: "bars" }, rows.map(([name, share, more]) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    const inside = [make("span", { class: "name", "aria-hidden": "true" }, does === null ? name : shown(name)), make("span", { class: "unseen" }, spoken(name)), bar, make("span", { class: "number" }, more ?? percent(share))];
    return make("li", {}, does === null ? inside
      : button(inside, () => does(name), { class: "row", title: "write it" }));
  }));
}

/** A share in percent, as exact as it is told. */
export function percent(share) {
  const hundred = 100 * share;
  return `${hundred >= 99.95 ? "100" : hundred >= 10 ? hundred.toFixed(0) : hundred >= 0.095 ? hundred.toFixed(1) : hundred >= 0.0095 ? hundred.toFixed(2) : "< 0.01"} %`;
}

/** A number with its sign as people write it, which no line breaks off. */
export const signed = (value, digits) => value.toFixed(digits).replace("-", "\u2212");

/** A token as it is seen: spaces and ends of lines have signs. */
export const shown = (text) => text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥");

/** A token as it is read aloud. */
export const spoken = (text) => ({ " ": "space", "\n": "end of line", "\t": "tab" })[text] ?? text;

let waiting = 0;
/** Tells whoever hears the page, once nothing more has come for a moment. */
export function say(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => { document.getElementById("said").textContent = text; }, 700);
}

/** Calls a function once, when calls have paused. */
export function calmly(does, pause = 120) {
  let timer = 0;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => does(...given), pause); };
}

/** Calls a function when the size of an element that is there, or the colours of the page, change. */
export function onChange(element, does) {
  const there = () => { if (element.clientWidth) does(); };
  new ResizeObserver(there).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", there);
}
