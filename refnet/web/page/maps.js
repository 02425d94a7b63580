// The feature maps of the chosen layer: a grid of small pictures, each of whose pixels can be looked at.

import { get, newest } from "./api.js";
import { decoded, folded, onScheme, paint } from "./paint.js";
import { element, extents, noProblem, number, problem, tell } from "./say.js";
import { on, seenSquare, set, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const grid = $("maps");
let shown = null; // what the server said of the maps that are on the page
let first = 0;
let at = 0; // the map that the keyboard is at
let within = null; // {row, column} once it has gone into it

const load = newest(async (holding) => {
  const asked = { face: state.first, tensor: state.layer, square: seenSquare(), first, holding };
  grid.setAttribute("aria-busy", "true");
  try {
    const answer = await get("maps", asked);
    if (asked.tensor !== state.layer || asked.face !== state.first) return;
    first = answer.first;
    shown = { ...answer, steps: decoded(answer.steps) };
    draw(holding);
    noProblem();
  } catch (error) {
    problem(error);
  } finally {
    grid.removeAttribute("aria-busy");
  }
});

// How a map lies on the page: vectors are folded into rows.
function form() {
  const vector = shown.shape.length === 1;
  return { vector, ...(vector ? folded(shown.shape[0]) : { width: shown.width, height: shown.height }) };
}

function draw(holding) {
  const { width, height, vector } = form();
  at = Math.max(0, holding === undefined || vector ? 0 : shown.channels.indexOf(holding));
  within = null;
  grid.classList.toggle("vector", vector);
  grid.replaceChildren(...shown.channels.map((channel, i) => tile(channel, i, vector, width, height)));
  colour();
  const last = first + shown.channels.length;
  $("maps-told").textContent = vector
    ? `${shown.tensor}: ${shown.shape[0]} numbers`
    : `${shown.tensor}: ${shown.total} maps of ${height} × ${width}, the most active first`;
  $("page-told").textContent = vector ? "" : `${first + 1}–${last} of ${shown.total}`;
  $("common-row").hidden = vector;
  $("pager").hidden = shown.total <= shown.channels.length && first === 0;
  $("back").disabled = first === 0;
  $("on").disabled = last >= shown.total;
  mark();
}

function tile(channel, i, vector, width, height) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const cross = element("i", { className: "cross", hidden: true });
  const name = vector ? "all numbers" : `channel ${channel}`;
  const box = element("div", {
    className: "tile", role: "option", tabIndex: i === at ? 0 : -1, "aria-selected": String(i === at),
    "aria-label": `${name}, largest ${number(shown.largest[i], 3)}`,
  }, element("div", { className: "map" }, canvas, cross),
  element("p", {}, vector ? "" : String(channel), element("span", {}, number(shown.largest[i], 2))));
  box.style.setProperty("--ratio", `${width} / ${height}`);
  const hit = (event) => {
    const room = canvas.getBoundingClientRect();
    const column = Math.min(width - 1, Math.max(0, Math.floor(((event.clientX - room.left) / room.width) * width)));
    const row = Math.min(height - 1, Math.max(0, Math.floor(((event.clientY - room.top) / room.height) * height)));
    return { row, column };
  };
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && !state.look?.kept) look(i, hit(event), false);
  });
  canvas.addEventListener("click", (event) => {
    at = i;
    look(i, hit(event), true);
    box.focus({ preventScroll: true });
  });
  return box;
}

function look(i, { row, column }, kept) {
  const { vector, width } = form();
  const place = vector ? [row * width + column] : [shown.channels[i], row, column];
  if (vector && place[0] >= shown.shape[0]) return;
  set({ look: { tensor: shown.tensor, place, kept } });
}

function colour() {
  const { width, height } = form();
  const area = shown.width * shown.height;
  const together = $("common").checked;
  for (const [i, box] of [...grid.children].entries()) {
    const strength = together && shown.scale ? shown.largest[i] / shown.scale : 1;
    paint(box.querySelector("canvas"), shown.steps.subarray(i * area, (i + 1) * area), width, height, strength);
  }
}

// The cross on the pixel that is looked at.
function mark() {
  const { vector, width, height } = shown ? form() : {};
  for (const [i, box] of [...grid.children].entries()) {
    const cross = box.querySelector(".cross");
    const look = state.look;
    const here = look !== null && look.tensor === shown.tensor && (vector || look.place[0] === shown.channels[i]);
    cross.hidden = !here;
    box.classList.toggle("kept", here && look.kept);
    if (!here) continue;
    const [row, column] = vector ? [Math.floor(look.place[0] / width), look.place[0] % width] : look.place.slice(1);
    cross.style.left = `${(column / width) * 100}%`;
    cross.style.top = `${(row / height) * 100}%`;
    cross.style.width = `${100 / width}%`;
    cross.style.height = `${100 / height}%`;
  }
}

function columns() {
  return getComputedStyle(grid).gridTemplateColumns.split(" ").length;
}

function moveTo(i) {
  at = Math.max(0, Math.min(grid.children.length - 1, i));
  grid.children[at].focus();
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

grid.addEventListener("focusin", (event) => {
  const i = [...grid.children].indexOf(event.target);
  if (i < 0) return;
  if (i !== at) [at, within] = [i, null];
  for (const [j, box] of [...grid.children].entries()) {
    box.tabIndex = j === at ? 0 : -1;
    box.setAttribute("aria-selected", String(j === at));
  }
});

grid.addEventListener("keydown", (event) => {
  const { width, height } = form();
  if (event.key === "Escape") {
    within = null;
    set({ look: null });
    tell("left the map");
  } else if (event.key === "Enter" || event.key === " ") {
    within = { row: Math.floor(height / 2), column: Math.floor(width / 2) };
    look(at, within, true);
  } else if (event.key in STEPS) {
    const [down, across] = STEPS[event.key];
    if (within) {
      const stride = event.shiftKey ? 8 : 1;
      const clamp = (value, extent) => Math.max(0, Math.min(extent - 1, value));
      within = { row: clamp(within.row + down * stride, height), column: clamp(within.column + across * stride, width) };
      look(at, within, true);
    } else {
      moveTo(at + across + down * columns());
    }
  } else {
    return;
  }
  event.preventDefault();
});

grid.addEventListener("pointerleave", () => {
  if (state.look && !state.look.kept) set({ look: null });
});

function turnTo(place) {
  first = Math.max(0, place);
  load();
}

$("back").addEventListener("click", () => turnTo(first - state.facts.page));
$("on").addEventListener("click", () => turnTo(first + state.facts.page));
$("common").addEventListener("change", colour);
onScheme(() => shown && colour());

on("first layer", () => {
  if (!state.first || !state.layer) return;
  first = 0;
  load(state.look?.kept && state.look.place.length === 3 ? state.look.place[0] : undefined);
});
on("seen", () => state.layer && load());
on("square", () => state.seen && state.layer && load());
on("look", () => {
  if (!shown) return;
  mark();
  const { look } = state;
  const elsewhere = look?.kept && look.tensor === shown.tensor && look.place.length === 3;
  if (elsewhere && !shown.channels.includes(look.place[0])) load(look.place[0]);
});
