// The similarity of the two faces while the square moves, and how it went.

import { get, newest } from "./api.js";
import { noProblem, problem, tell } from "./say.js";
import { on, squareInWords, squareText, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const LENGTH = 160;
let history = [];

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

const load = newest(async () => {
  const asked = { face: state.first, other: state.second, square: squareText(state.square) };
  const { square } = state;
  const start = performance.now();
  try {
    const { similarity, whole } = await get("similarity", asked);
    const took = performance.now() - start;
    if (asked.face !== state.first || asked.other !== state.second) return;
    $("number").textContent = similarity.toFixed(4).replace("-", "−");
    $("change").textContent = asked.square ? `${signed(similarity - whole)} by the square` : "nothing is covered";
    $("latency").textContent = asked.square ? `${took.toFixed(0)} ms` : "";
    const place = square ? `, ${squareInWords(square)}` : "";
    tell(`similarity ${$("number").textContent}, ${$("change").textContent}${place}`);
    history = [...history, similarity].slice(-LENGTH);
    draw(whole);
    noProblem();
  } catch (error) {
    problem(error);
  }
});

function draw(whole) {
  const svg = $("history");
  const low = Math.min(...history, whole);
  const high = Math.max(...history, whole, low + 0.05);
  const y = (value) => 4 + (1 - (value - low) / (high - low)) * 40;
  const points = history.map((value, i) => `${i},${y(value)}`).join(" ");
  svg.setAttribute("viewBox", `0 0 ${LENGTH} 48`);
  svg.setAttribute("preserveAspectRatio", "none");
  const shape = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  svg.replaceChildren(
    shape("line", { x1: 0, x2: LENGTH, y1: y(whole), y2: y(whole), class: "whole" }),
    shape("polyline", { points, class: "line" }),
  );
  svg.setAttribute("aria-label", `The similarity so far: ${low.toFixed(4)} to ${high.toFixed(4)}; uncovered ${whole.toFixed(4)}`);
}

on("first second square", (changed) => {
  if (!state.first || !state.second) return;
  if (!changed.includes("square")) history = [];
  load();
});
