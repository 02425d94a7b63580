// Numbers as colours: below zero blue, above orange, zero the colour of the ground.

const dark = matchMedia("(prefers-color-scheme: dark)");
const NEGATIVE = [46, 120, 220];
const POSITIVE = [226, 118, 20];
let table = null;

function mixed(end, share, ground) {
  return end.map((value, i) => Math.round(ground[i] + (value - ground[i]) * share));
}

function colours() {
  if (table) return table;
  const ground = dark.matches ? [18, 22, 28] : [250, 250, 248];
  const bright = (end) => (dark.matches ? end.map((value) => Math.min(255, value + 40)) : end);
  table = Array.from({ length: 255 }, (_, i) => {
    const step = i - 127;
    return mixed(bright(step < 0 ? NEGATIVE : POSITIVE), Math.pow(Math.abs(step) / 127, 0.8), ground);
  });
  return table;
}

export function onScheme(listener) {
  dark.addEventListener("change", () => {
    table = null;
    listener();
  });
}

// `steps` are -127..127; `strength` weakens all of them.
export function paint(canvas, steps, width, height, strength = 1) {
  canvas.width = width;
  canvas.height = height;
  const found = colours();
  const picture = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const step = i < steps.length ? Math.round(steps[i] * strength) : 0;
    picture.data.set(found[step + 127], 4 * i);
    picture.data[4 * i + 3] = i < steps.length ? 255 : 0;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Rows of numbers, `largest` in full colour.
export function paintNumbers(canvas, rows, largest) {
  paint(canvas, rows.flat().map((value) => Math.round((value / (largest || 1)) * 127)), rows[0].length, rows.length);
}

export function decoded(text) {
  const bytes = atob(text);
  const steps = new Int8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) steps[i] = bytes.charCodeAt(i);
  return steps;
}

// A vector is drawn in rows: how wide, how high.
export function folded(count) {
  const width = count <= 32 ? count : count <= 2048 ? 32 : Math.ceil(Math.sqrt(count / 112)) * 8;
  return { width, height: Math.ceil(count / width) };
}
