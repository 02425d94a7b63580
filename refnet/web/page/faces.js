// The two faces: chosen from those there are, given as a photograph, or mirrored.

import { pictureOf, post, Refused } from "./api.js";
import { element, noProblem, problem, tell } from "./say.js";
import { on, set, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const SIDES = ["first", "second"];
let receiving = "first"; // which side the file that is being chosen is for

function draw() {
  for (const side of SIDES) {
    const face = state.faces.find((one) => one.id === state[side]);
    if (!face) continue;
    $(`${side}-choice`).replaceChildren(...state.faces.map((one) =>
      element("option", { value: one.id, selected: one.id === face.id }, one.title)));
    const picture = $(`${side}-picture`);
    if (picture.dataset.face !== face.id) {
      picture.dataset.face = face.id;
      picture.src = pictureOf(face.id);
      picture.alt = `${side} face: ${face.title}`;
    }
    $(`${side}-notes`).textContent = face.notes.join("; ");
  }
}

function add(side, face) {
  set({ faces: [...state.faces, face], [side]: face.id });
  noProblem();
  tell(`${side} face: ${face.title}. ${face.notes.join(". ")}`);
}

async function give(side, file) {
  const panel = $(side);
  panel.setAttribute("aria-busy", "true");
  try {
    if (file.size > state.facts.limit_bytes) {
      throw new Refused(`${file.name} has more than ${Math.round(state.facts.limit_bytes / 2 ** 20)} MB; scale the photograph down first`);
    }
    add(side, await post("faces", { name: file.name || "pasted image" }, file));
  } catch (error) {
    problem(error);
  } finally {
    panel.removeAttribute("aria-busy");
  }
}

async function mirror(side) {
  try {
    add(side, await post("mirror", { face: state[side] }));
  } catch (error) {
    problem(error);
  }
}

for (const side of SIDES) {
  $(`${side}-choice`).addEventListener("change", (event) => set({ [side]: event.target.value }));
  $(`${side}-mirror`).addEventListener("click", () => mirror(side));
  $(`${side}-upload`).addEventListener("click", () => {
    receiving = side;
    $("file").click();
  });
  const panel = $(side);
  panel.addEventListener("dragover", (event) => {
    event.preventDefault();
    panel.classList.add("over");
  });
  panel.addEventListener("dragleave", () => panel.classList.remove("over"));
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    panel.classList.remove("over");
    if (event.dataTransfer.files.length) give(side, event.dataTransfer.files[0]);
  });
}

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) give(receiving, file);
  event.target.value = ""; // the same file may be chosen again
});

document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) give("first", file);
});

on("faces first second", draw);
