// Words: problems where everyone sees them, and what a screen reader is told.

const $ = (id) => document.getElementById(id);

export function problem(error) {
  $("problem").textContent = error.message ?? String(error);
  $("problem").hidden = false;
}

export function noProblem() {
  $("problem").hidden = true;
}

let later = 0;
export function tell(sentence) {
  clearTimeout(later); // only where it came to rest is worth saying
  later = setTimeout(() => ($("said").textContent = sentence), 300);
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name === "className" ? "class" : name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function number(value, digits = 5) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(digits - 2) : value.toPrecision(digits);
  return text.replaceAll("-", "−");
}

// The same of a number that may be short.
export const rounded = (value) => String(Number(value.toPrecision(6))).replaceAll("-", "−");

export const extents = (shape) => shape.join(" × ");
