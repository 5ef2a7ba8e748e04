"use strict";
// What every part of a page uses: its data, making nodes, numbers in words. Names come from users and are only ever text.
const data = JSON.parse(document.getElementById("data").textContent);
const get = id => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text; // never markup
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const drawn = (parent, tag, attributes = {}, text) => { // a node of SVG
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
};
const show = (value, digits = 3) => value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
const signed = (value, digits = 3) => (value > 0 ? "+" : "") + show(value, digits);
const distinct = values => [...new Set(values)].sort();
const COLOURS = ["#3b82f6", "#e8590c", "#0f9d76", "#cc79a7", "#8b5cf6", "#64748b", "#d9a400", "#38bdf8"];

function outcomes(text, count) { // what `packed` wrote: the outcome of each example in [0, 1]
  const bytes = Uint8Array.from(atob(text.slice(1)), letter => letter.charCodeAt(0));
  if (text[0] === "u") return Float64Array.from(bytes, byte => byte / 255);
  return Float64Array.from({ length: count }, (_, place) => bytes[place >> 3] >> (7 - (place & 7)) & 1);
}

function open(...nodes) {
  get("detail").replaceChildren(...nodes);
  if (!get("dialog").open) get("dialog").showModal();
  get("dialog").scrollTop = 0;
}

function fill(id, pairs) { // options of a select: [value, text]
  get(id).replaceChildren(...pairs.map(([value, text]) => make("option", text, { value })));
}
