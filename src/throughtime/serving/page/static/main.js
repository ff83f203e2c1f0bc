// Which model is looked at, the server's key, and what went wrong.

import { get, keepKey, key, Refused } from "/page/ask.js";
import * as dna from "/page/dna.js";
import { make } from "/page/dom.js";
import { entities, plain, sentiment } from "/page/labels.js";
import * as music from "/page/music.js";
import { pronunciation, translation } from "/page/pairs.js";
import * as speech from "/page/speech.js";
import * as text from "/page/text.js";
import { trees } from "/page/trees.js";
import * as video from "/page/video.js";

const VIEWS = { text, sentiment, entities, "sentiment-trees": trees, translation, pronunciation, dna, music, speech, video };
const $ = (id) => document.getElementById(id);
const chooser = $("model");
let leave = () => {};

/** Shows an error in a line; nothing clears it. A key that is asked for is asked of the user. */
function fail(error) {
  if (error?.name === "AbortError") return;
  const locked = error instanceof Refused && error.status === 401;
  const line = !error || (locked && !key()) ? "" : locked ? "That is not the server's key." : error.message;
  if (locked) {
    $("door").hidden = false;
    $("key").focus();
  }
  $("error").textContent = line;
  $("error").hidden = !line;
  if (error && !(error instanceof Refused)) throw error;
}

function show(model) {
  leave();
  fail(null);
  $("cautions").textContent = model.cautions.join(" · ");
  $("cautions").hidden = !model.cautions.length;
  document.title = `${model.id} – Throughtime`;
  history.replaceState(null, "", `#${model.id}`);
  leave = (VIEWS[model.task] ?? plain).open($("view"), model, fail);
}

async function begin() {
  try {
    const { data } = await get("/v1/models");
    $("door").hidden = true;
    $("chooser").hidden = false;
    const tasks = [...new Set(data.map((model) => model.task))];
    chooser.replaceChildren(...tasks.map((task) => make("optgroup", { label: task },
      data.filter((model) => model.task === task).map((model) => make("option", { value: model.id }, model.id)))));
    const named = data.find((model) => model.id === decodeURIComponent(location.hash.slice(1))) ?? data[0];
    chooser.value = named.id;
    chooser.onchange = () => show(data.find((model) => model.id === chooser.value));
    show(named);
  } catch (error) {
    fail(error);
  }
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey($("key").value);
  begin();
});
$("chooser").addEventListener("submit", (event) => event.preventDefault());
begin();
