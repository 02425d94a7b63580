// One number, written out: the window that it was made from, the weights, and the sum.

import { get, newest } from "./api.js";
import { decoded, folded, onScheme, paint, paintNumbers } from "./paint.js";
import { element, number, problem, rounded, tell } from "./say.js";
import { goBack, goTo, layerNamed, on, seenSquare, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const panel = $("sum");
const empty = panel.firstElementChild;
const field = $("field");
let written = null;

const load = newest(async (wanted) => {
  try {
    const { tensor, place } = wanted;
    const said = await get("element", { face: state.first, tensor, place: place.join(","), square: seenSquare() });
    if (state.look !== wanted) return; // something else is looked at by now
    written = said;
    draw();
  } catch (error) {
    problem(error);
  }
});

// The way back along the links that were followed.
function wayBack() {
  if (state.trail.length === 0) return null;
  const button = element("button", { type: "button", id: "way-back" }, "‹ back");
  button.addEventListener("click", goBack);
  return button;
}

function where(tensor, place) {
  return place.length === 1 ? `${tensor}, number ${place[0]}` : `${tensor}, channel ${place[0]}, row ${place[1]}, column ${place[2]}`;
}

function draw() {
  const unknown = written.kind === "unknown";
  const parts = [
    wayBack(),
    element("p", { className: "where" }, where(written.tensor, written.place)),
    element("p", { className: "value" }, number(written.value, 8)),
    element("p", { className: "formula" }, written.formula),
    element("div", { className: "inputs" }, ...written.seen.map(inputMap)),
    written.given.length ? given() : null,
    unknown ? null : terms(),
    written.contributions && written.contributions.length > 1 ? bars() : null,
  ];
  panel.replaceChildren(...parts.filter((part) => part !== null));
  $("found").replaceChildren(element("b", {}, number(written.value, 6)), "written out below ↓");
  $("found").hidden = false;
  showField();
  tell(`${where(written.tensor, written.place)}: ${number(written.value)}`);
}

// The tensor that was read, with the window on it.
function inputMap(seen, i) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const known = layerNamed(seen.tensor);
  const vector = known !== null && known.layer.shape.length === 1;
  const form = vector ? folded(seen.width) : seen;
  paint(canvas, decoded(seen.steps), form.width, form.height);
  const frame = element("i", { className: "window" });
  const row = vector ? Math.floor(seen.left / form.width) : seen.top;
  const column = vector ? seen.left % form.width : seen.left;
  const [high, wide] = vector ? [seen.right - seen.left > 1 ? form.height : 1, Math.min(seen.right - seen.left, form.width)]
    : [seen.bottom - seen.top, seen.right - seen.left];
  Object.assign(frame.style, {
    left: `${(column / form.width) * 100}%`, top: `${(row / form.height) * 100}%`,
    width: `${(wide / form.width) * 100}%`, height: `${(high / form.height) * 100}%`,
  });
  const map = element("div", { className: "map" }, canvas, frame);
  map.style.setProperty("--ratio", `${form.width} / ${form.height}`);
  const words = vector ? `reads ${wide * high === 1 ? `number ${seen.left}` : "all numbers"}`
    : `reads row${high > 1 ? `s ${seen.top} to ${seen.bottom - 1}` : ` ${seen.top}`}, column${wide > 1 ? `s ${seen.left} to ${seen.right - 1}` : ` ${seen.left}`}`;
  const letter = written.seen.length > 1 ? `${"ab"[i]} ` : "";
  const caption = element("figcaption", { className: "quiet" }, letter, words, " of ",
    known ? link(seen.tensor, seen.tensor, middle(seen, vector)) : seen.tensor,
    ...(vector ? [] : [element("br"), `shown: channel ${seen.channel}`]));
  return element("figure", {}, map, caption);
}

function middle(seen, vector) {
  if (vector) return [seen.left];
  const clamp = (value, extent) => Math.max(0, Math.min(extent - 1, value));
  return [seen.channel, clamp(Math.floor((seen.top + seen.bottom - 1) / 2), seen.height),
    clamp(Math.floor((seen.left + seen.right - 1) / 2), seen.width)];
}

function link(words, tensor, place) {
  const button = element("button", { type: "button", className: "link", title: `Go to ${where(tensor, place)}` }, words);
  button.addEventListener("click", () => goTo(tensor, place));
  return button;
}

function given() {
  return element("dl", {}, ...written.given.map(({ name, value }) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, rounded(value)))));
}

function terms() {
  const largest = Math.max(...written.terms.map((term) => Math.abs(term.value)), Math.abs(written.rest_value));
  const pictures = written.terms.some((term) => term.seen);
  const span = pictures ? 3 : 1;
  const body = written.terms.map((term) => termRow(term, largest, pictures));
  if (written.rest) body.push(plainRow(`the other ${written.rest} channels`, written.rest_value, largest, span));
  body.push(element("tr", { className: "total" }, element("th", { scope: "row", colSpan: span }, "sum"),
    element("td", { className: "figure", id: "total" }, number(written.total, 8)), element("td")));
  return element("table", {},
    pictures ? element("thead", {}, element("tr", {}, ...["", "x", "w", "Σ w·x", ""].map((head) => element("th", { scope: "col" }, head)))) : null,
    element("tbody", {}, ...body));
}

function termRow(term, largest, pictures) {
  if (!term.seen) return plainRow(term.label, term.value, largest, pictures ? 3 : 1);
  const source = written.seen[0];
  const known = layerNamed(source.tensor);
  const vector = known !== null && known.layer.shape.length === 1;
  const place = vector ? [term.channel] : middle({ ...source, channel: term.channel }, false);
  const label = vector ? `number ${term.channel}` : term.label;
  const heat = (part, words) => {
    const rows = term[part];
    const canvas = element("canvas", { className: "heat", title: rows.map((row) => row.map((value) => number(value, 3)).join("  ")).join("\n"), role: "img", "aria-label": words });
    paintNumbers(canvas, rows, largestOf(part));
    return element("td", {}, canvas);
  };
  const row = element("tr", {},
    element("th", { scope: "row" }, known ? link(label, source.tensor, place) : label),
    heat("seen", "what is seen"), heat("weight", "the weights"), ...valueCells(term.value, largest));
  const unfold = element("button", { type: "button", className: "link", "aria-expanded": "false", title: "Show every product" },
    number(term.value, 6));
  row.querySelector(".figure").replaceChildren(unfold);
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-expanded") === "true";
    unfold.setAttribute("aria-expanded", String(!open));
    if (open) row.nextElementSibling.remove();
    else row.after(products(term));
  });
  return row;
}

// Windows are on one scale, and weights on another.
function largestOf(part) {
  return Math.max(...written.terms.filter((term) => term[part]).flatMap((term) => term[part].flat().map(Math.abs)));
}

// Every product of a channel, at its place in the window.
function products(term) {
  const cells = term.seen.map((seen, i) => element("tr", {}, ...seen.map((x, j) => {
    const w = term.weight[i][j];
    return element("td", {}, `${number(x, 4)} ·`, element("br"), number(w, 4), element("br"), element("b", {}, number(x * w, 4)));
  })));
  const words = `x · w at every place of the window; the sum is ${number(term.value, 8)}`;
  return element("tr", { className: "products" }, element("td", { colSpan: 5 },
    element("p", { className: "quiet" }, words), element("div", { className: "wide" }, element("table", {}, element("tbody", {}, ...cells)))));
}

function plainRow(label, value, largest, span) {
  return element("tr", {}, element("th", { scope: "row", colSpan: span }, label), ...valueCells(value, largest));
}

function valueCells(value, largest) {
  const bar = element("i", { className: value < 0 ? "bar below" : "bar above" });
  bar.style.width = `${largest ? (Math.abs(value) / largest) * 50 : 0}%`;
  return [element("td", { className: "figure" }, number(value, 6)), element("td", { className: "bars" }, bar)];
}

// What every channel adds, as one row of bars.
function bars() {
  const values = written.contributions;
  const largest = Math.max(...values.map(Math.abs)) || 1;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${values.length} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `what each of ${values.length} channels adds`);
  for (const [i, value] of values.entries()) {
    const bar = document.createElementNS(svg.namespaceURI, "rect");
    const size = (Math.abs(value) / largest) * 20;
    bar.setAttribute("x", i);
    bar.setAttribute("y", value < 0 ? 20 : 20 - size);
    bar.setAttribute("width", 0.8);
    bar.setAttribute("height", size);
    bar.setAttribute("class", value < 0 ? "below" : "above");
    svg.append(bar);
  }
  return element("figure", { className: "contributions" }, svg,
    element("figcaption", { className: "quiet" }, `what each of the ${values.length} channels adds`));
}

// On the face: the pixels that the number depends on.
function showField() {
  const { top, left, bottom, right } = written.pixels;
  const { height, width } = state.facts;
  Object.assign(field.style, {
    left: `${(left / width) * 100}%`, top: `${(top / height) * 100}%`,
    width: `${((right - left) / width) * 100}%`, height: `${((bottom - top) / height) * 100}%`,
  });
  field.hidden = false;
}

function clear() {
  written = null;
  panel.replaceChildren(empty);
  field.hidden = true;
  $("found").hidden = true;
}

onScheme(() => written && draw());
on("look", () => (state.look ? load(state.look) : clear()));
on("first seen", () => state.look && load(state.look));
on("square", () => state.seen && state.look && load(state.look));
