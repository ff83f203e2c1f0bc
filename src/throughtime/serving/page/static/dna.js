// A sequence of DNA: the coding regions of both strands on a track, or its class.

import { predictFile } from "/page/ask.js";
import { bars, button, calmly, draw, make, onChange, percent, say } from "/page/dom.js";

const LISTED = 40;

/** Letters at random, the same ones for a seed, with an open reading frame among them. */
export function madeUp(seed, length) {
  let state = seed;
  const random = () => { state = (1664525 * state + 1013904223) % 4294967296; return state / 4294967296; };
  const letter = () => "ACGT"[Math.floor(4 * random())];
  const codons = [];
  while (codons.length < length / 6) {
    const codon = letter() + letter() + letter();
    if (!["TAA", "TAG", "TGA"].includes(codon)) codons.push(codon);
  }
  const gene = `ATG${codons.join("")}TAA`, around = Math.floor((length - gene.length) / 2);
  const noise = Array.from({ length: 2 * around }, letter).join("");
  return noise.slice(0, around) + gene + noise.slice(around);
}

/** Three reading frames above the line and three below it, each region an arrow in its own. */
function track(found) {
  const holder = make("div", { class: "track", role: "img", "aria-label": `${found.regions.length} coding regions of ${found.bases.toLocaleString("en")} bases` });
  const lane = 16, middle = 3 * lane + 14;
  function paint() {
    const width = holder.clientWidth || 600, scale = width / Math.max(1, found.bases);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${2 * middle}`, width, height: 2 * middle, "aria-hidden": "true" });
    for (let i = 0; i < 3; i += 1) for (const y of [(i + 0.5) * lane, 2 * middle - (i + 0.5) * lane]) svg.append(draw("path", { class: "leader", d: `M0 ${y}H${width}` }));
    svg.append(draw("text", { x: 0, y: middle + 4, class: "small" }, "1"), draw("text", { x: width, y: middle + 4, class: "small end" }, found.bases.toLocaleString("en")),
      draw("text", { x: width / 2, y: middle + 4, class: "small middle" }, "plus strand above, minus strand below"));
    for (const region of found.regions) {
      const plus = region.strand === "+", left = (region.begin - 1) * scale, long = Math.max(2, (region.end - region.begin + 1) * scale);
      const frame = plus ? (region.begin - 1 + region.phase) % 3 : (found.bases - region.end + region.phase) % 3;
      const y = plus ? (2 - frame + 0.5) * lane : 2 * middle - (2 - frame + 0.5) * lane, tip = Math.min(8, long);
      const [back, point] = plus ? [left, left + long] : [left + long, left], turn = plus ? -tip : tip;
      svg.append(draw("path", { class: plus ? "gene" : "gene minus", d: `M${back} ${y - 6}H${point + turn}L${point} ${y}L${point + turn} ${y + 6}H${back}Z` },
        draw("title", {}, `${region.begin}–${region.end} (${region.strand}), ${percent(region.score)}`)));
    }
    holder.replaceChildren(svg);
  }
  onChange(holder, paint);
  return holder;
}

function regions(found) {
  const rows = found.regions.slice(0, LISTED).map((region) => make("tr", {}, make("td", {}, `${region.begin.toLocaleString("en")} – ${region.end.toLocaleString("en")}`), make("td", {}, region.strand),
    make("td", {}, (region.end - region.begin + 1).toLocaleString("en")), make("td", {}, percent(region.score))));
  const head = ["bases", "strand", "length", "probability"].map((name) => make("th", { scope: "col" }, name));
  return [make("h3", {}, `${found.name}: ${percent(found.coding)} of ${found.bases.toLocaleString("en")} bases code`), track(found),
    rows.length ? make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "table of regions" }, make("table", {}, make("tr", {}, head), rows)) : make("p", { class: "told" }, "No coding region."),
    found.regions.length > LISTED ? make("p", { class: "told" }, `and ${found.regions.length - LISTED} more`) : null].filter(Boolean);
}

export function open(root, model, fail) {
  const area = make("textarea", { id: "letters", class: "plain letters", rows: 5, spellcheck: "false", autocapitalize: "off", maxlength: 1000000 });
  const file = make("input", { type: "file", id: "file", class: "unseen", accept: ".fa,.fasta,.fna,.gb,.gbk,.gbff" });
  const picture = make("div", { class: "picture" });
  let asking = null, first = true;

  async function show(given) {
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const { predictions: found } = await predictFile(model, given, {}, mine.signal);
      fail(null);
      if (first && found[0]?.regions) { first = false; return give(madeUp(11, 3000)); }
      first = false;
      picture.replaceChildren(...found.flatMap((each) => (each.regions ? regions(each) : [make("h3", {}, each.name), bars(Object.entries(each.probabilities))])));
      say(found.map((each) => (each.regions ? `${each.regions.length} coding regions` : `${each.name}: ${each.label}`)).slice(0, 5).join(", "));
    } catch (error) { fail(error); }
  }

  function read() {
    const text = area.value.trim();
    if (text) show(new File([text.startsWith(">") ? text : `>sequence\n${text.replace(/\s+/g, "")}\n`], "sequence.fasta"));
  }
  const give = (text) => { area.value = text; read(); };
  area.addEventListener("input", calmly(read, 300));
  file.addEventListener("change", () => file.files[0] && show(file.files[0]));
  root.replaceChildren(
    make("section", { "aria-labelledby": "dna-title" }, make("h2", { id: "dna-title" }, make("label", { for: "letters" }, "Letters of DNA, or FASTA")), area,
      make("div", { class: "tools" }, make("span", { class: "pick" }, file, make("label", { for: "file" }, "A file")), button("Made up, 60 bases", () => give(madeUp(7, 60))), button("Made up, 3,000 bases", () => give(madeUp(11, 3000))))),
    make("section", { "aria-labelledby": "track-title" }, make("h2", { id: "track-title" }, "What the model finds"), picture));
  give(madeUp(7, 60));
  return () => asking?.abort();
}
