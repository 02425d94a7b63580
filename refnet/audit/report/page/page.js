"use strict";
// The report's behaviour: sorting, searching, colouring the picture, and the panel of a layer. Everything is built from
// elements and text; nothing that stands in the report is ever read as markup.

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  document.documentElement.classList.add("js");

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const drawn = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

  // ---- tables that sort

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const said = cell.dataset.value;
    if (said === undefined) return cell.textContent.trim().toLowerCase();
    return said === "" ? null : Number(said);
  };

  function order(a, b) {
    if (typeof a === "number") return a - b;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  function sort(table, column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => ({ row, place, value: valueOf(row, column) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      return sign * order(a.value, b.value) || a.place - b.place;
    });
    body.append(...rows.map((it) => it.row));
  }

  function makeSortable(table) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = element("button", { type: "button" }, ...header.childNodes);
      header.replaceChildren(button);
      if (!header.hasAttribute("aria-sort")) header.setAttribute("aria-sort", "none");
      const numeric = header.classList.contains("number");
      button.addEventListener("click", () => {
        const first = numeric ? "descending" : "ascending";
        const other = numeric ? "ascending" : "descending";
        const direction = header.getAttribute("aria-sort") === first ? other : first;
        headers.forEach((it) => it.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", direction);
        sort(table, column, direction);
      });
    });
  }
  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);

  // ---- the table of layers: search and filters

  const table = byId("layers-table");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const rowOf = new Map(rows.map((row) => [Number(row.dataset.layer), row]));
  const shownRows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const op = byId("filter-op").value;
    const group = byId("filter-group").value;
    const state = byId("filter-state").value;
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        !words.every((word) => text.includes(word)) ||
        (op !== "" && row.dataset.op !== op) ||
        (group !== "" && row.dataset.group !== group) ||
        (state !== "" && !row.dataset.state.split(" ").includes(state));
      count += !row.hidden;
    }
    byId("count").textContent = `${count} of ${rows.length} layers`;
  }

  if (table) {
    byId("layer-controls").hidden = false;
    byId("search").addEventListener("input", filter);
    for (const id of ["filter-op", "filter-group", "filter-state"]) byId(id).addEventListener("change", filter);
    filter();
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row || event.target.closest("a") || String(getSelection())) return;
      event.preventDefault();
      show(Number(row.dataset.layer), row.querySelector("a"));
    });
    table.tBodies[0].addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const list = shownRows();
      const next = list[list.indexOf(event.target.closest("tr")) + step];
      if (!next) return;
      event.preventDefault();
      next.querySelector("a").focus();
    });
  }

  // ---- the picture: colours, and arrows from block to block

  const map = byId("map");
  const blocks = map ? [...map.querySelectorAll("a.block")] : [];
  const blockOf = new Map(blocks.map((block) => [Number(block.dataset.layer), block]));

  function colour(key) {
    const measure = data.measures.find((it) => it.key === key);
    for (const block of blocks) {
      const layer = Number(block.dataset.layer);
      block.classList.forEach((name) => name === "block" || block.classList.remove(name));
      const name = measure.classes[layer];
      if (name) block.classList.add(name);
      block.querySelector("title").textContent = `${data.layers[layer].title}: ${measure.said[layer]}`;
    }
    byId("legend").replaceChildren(
      ...measure.legend.map(([name, text]) => element("li", {}, element("span", { class: `key ${name}` }), text)),
    );
    byId("measure-says").textContent = measure.sentence;
  }

  if (map) {
    byId("map-controls").hidden = false;
    byId("measure").addEventListener("change", (event) => colour(event.target.value));
    colour(byId("measure").value);
    blocks.forEach((block, place) => block.setAttribute("tabindex", place ? "-1" : "0"));
    map.addEventListener("focusin", (event) => {
      const block = event.target.closest("a.block");
      blocks.forEach((it) => it.setAttribute("tabindex", it === block ? "0" : "-1"));
    });
    map.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = blocks[blocks.indexOf(event.target.closest("a.block")) + step];
      if (!step || !next) return;
      event.preventDefault();
      next.focus();
    });
  }

  // ---- histograms: bins begin at powers of two on either side of zero, which has what is smaller than all of them

  const { bins, lowest } = data.histogram;
  const middle = (bins - 1) / 2;
  const power = (bin) => lowest + Math.abs(bin - middle) - 1;
  const superscript = (n) => String(n).replace(/[-0-9]/g, (it) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(it)]);
  const binName = (bin) => {
    if (bin === middle) return "0";
    return `${bin < middle ? "−" : ""}2${superscript(power(bin))}`;
  };

  function histogram([first, counts], words) {
    const width = 440, height = 120, base = 100;
    const total = counts.reduce((sum, count) => sum + count, 0) || 1;
    const step = width / counts.length;
    const tallest = Math.max(...counts);
    const figure = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "histogram" });
    figure.append(drawn("title", {}, words));
    counts.forEach((count, place) => {
      const tall = count ? Math.max(1, (count / tallest) * (base - 4)) : 0;
      const bar = drawn("rect", {
        x: place * step + 0.5, y: base - tall, width: Math.max(step - 1, 0.5), height: tall,
        class: first + place === middle ? "zero" : "",
      });
      const percent = (100 * count) / total;
      bar.append(drawn("title", {}, `${binName(first + place)}: ${percent.toPrecision(3)} %`));
      figure.append(bar);
    });
    figure.append(drawn("line", { x1: 0, x2: width, y1: base, y2: base }));
    const every = Math.max(1, Math.ceil(34 / step));
    const anchor = first <= middle && middle < first + counts.length ? middle - first : 0;
    counts.forEach((_, place) => {
      if ((place - anchor) % every || place * step < 10 || (place + 1) * step > width - 6) return;
      figure.append(drawn("text", { x: (place + 0.5) * step, y: base + 14 }, binName(first + place)));
    });
    return figure;
  }

  // ---- the panel of a layer

  const panel = byId("panel");
  let opener = null;
  let current = null;

  const facts = (pairs) =>
    element("dl", { class: "facts" }, ...pairs.flatMap(([name, said]) => [
      element("dt", {}, name), element("dd", {}, said),
    ]));

  const link = (layer, text) => element("a", { href: `#layer-${layer}` }, text);

  function links(pairs) {
    const list = element("span");
    pairs.forEach(([text, layer], place) => {
      if (place) list.append(", ");
      list.append(layer === null ? text : link(layer, text));
    });
    return list;
  }

  function grid(caption, headers, body) {
    const head = headers.map((text, n) => element("th", { scope: "col", class: n ? "number" : "" }, text));
    const lines = body.map(([first, ...rest]) =>
      element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((it) => element("td", { class: "number" }, it))));
    return element("div", { class: "scroll" }, element("table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines)));
  }

  function contents(index) {
    const layer = data.layers[index];
    const parts = [element("h2", { tabindex: "-1", id: "panel-title" }, layer.name)];
    parts.push(element("p", { class: "muted" }, layer.what));
    const wiring = [];
    if (layer.inputs.length) wiring.push(["reads", links(layer.inputs)]);
    if (layer.readers.length) wiring.push(["read by", links(layer.readers)]);
    parts.push(facts([...layer.facts, ...wiring]));
    if (layer.attributes.length) parts.push(element("h3", {}, "Attributes"), facts(layer.attributes));
    parts.push(element("h3", {}, "Agreement"));
    parts.push(element("p", { class: layer.state === "departs" ? "is-bad" : "" }, layer.verdict));
    if (layer.agreement.length) parts.push(grid(...data.agreementTable, layer.agreement));
    if (layer.activation) {
      parts.push(element("h3", {}, "Activations"));
      if (layer.activation.histogram)
        parts.push(histogram(layer.activation.histogram, `How often each size occurs in ${layer.name}`));
      parts.push(facts(layer.activation.facts));
    }
    for (const weight of layer.weights) {
      parts.push(element("h3", {}, weight.title));
      if (weight.flags.length) parts.push(element("p", { class: "is-warning" }, weight.flags.join("; ")));
      if (weight.histogram) parts.push(histogram(weight.histogram, `How often each size occurs in ${weight.title}`));
      parts.push(facts(weight.facts));
    }
    return parts;
  }

  function mark(index) {
    document.querySelectorAll("[data-layer][aria-current]").forEach((it) => it.removeAttribute("aria-current"));
    for (const it of [rowOf.get(index), blockOf.get(index)]) if (it) it.setAttribute("aria-current", "true");
  }

  function open(index) {
    current = index;
    panel.hidden = false;
    byId("panel-where").textContent = `Layer ${index + 1} of ${data.layers.length}`;
    byId("panel-previous").disabled = index === 0;
    byId("panel-next").disabled = index === data.layers.length - 1;
    byId("panel-body").replaceChildren(...contents(index));
    panel.scrollTop = 0;
    mark(index);
    byId("panel-title").focus({ preventScroll: true });
  }

  function show(index, from) {
    if (!data.layers[index]) return;
    if (from && !panel.contains(from)) opener = from;
    if (location.hash !== `#layer-${index}`) history.pushState(null, "", `#layer-${index}`);
    open(index);
  }

  function close() {
    if (panel.hidden) return;
    panel.hidden = true;
    const row = rowOf.get(current);
    mark(null);
    history.pushState(null, "", location.pathname + location.search);
    const back = opener && opener.isConnected ? opener : row && row.querySelector("a");
    if (back) back.focus({ preventScroll: Boolean(opener) });
    opener = null;
  }

  function follow() {
    const found = /^#layer-(\d+)$/.exec(location.hash);
    if (found && data.layers[Number(found[1])]) open(Number(found[1]));
    else if (!panel.hidden) {
      panel.hidden = true;
      mark(null);
    }
  }

  document.addEventListener("click", (event) => {
    const from = event.target.closest("a");
    if (!from || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const href = from.getAttribute("href") || from.getAttributeNS("http://www.w3.org/1999/xlink", "href") || "";
    const found = /^#layer-(\d+)$/.exec(href);
    if (!found) return;
    event.preventDefault();
    show(Number(found[1]), from);
  });
  document.addEventListener("keydown", (event) => {
    if (panel.hidden || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") close();
    if (!panel.contains(event.target)) return;
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      show(current + (event.key === "ArrowRight" ? 1 : -1), null);
    }
  });
  byId("panel-previous").addEventListener("click", () => show(current - 1, null));
  byId("panel-next").addEventListener("click", () => show(current + 1, null));
  byId("panel-close").addEventListener("click", close);
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  follow();

  // ---- where the reader is, in the table of contents

  const places = [...document.querySelectorAll(".contents a")];
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
    const here = places.find((it) => seen.has(it.getAttribute("href").slice(1)));
    places.forEach((it) => (it === here ? it.setAttribute("aria-current", "true") : it.removeAttribute("aria-current")));
  }, { rootMargin: "-10% 0px -60% 0px" });
  document.querySelectorAll("main section[id]").forEach((it) => watch.observe(it));
})();
