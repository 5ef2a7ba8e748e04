"use strict";
// The board: only the rows in sight are in the document, so that a thousand encoders scroll like ten.
const data = JSON.parse(document.getElementById("data").textContent);
const get = id => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text; // never markup: names come from users
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const show = (value, digits = 3) => value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
const HEIGHT = 34, MARGIN = 12;
const state = { column: "rank", up: true, chosen: [], rows: [], first: -1 };

const fixed = [
  { key: "name", title: "encoder", text: true, of: row => row.name },
  { key: "mean", title: "mean", digits: 3, of: row => row.mean, hint: "over tasks scored as a share of right answers" },
  { key: "norm", title: "above chance", digits: 3, of: row => row.norm, hint: "0 is guessing, 1 perfect" },
  { key: "rank", title: "mean rank", digits: 2, of: row => row.rank, low: true, hint: "over the tasks that it has; 1 is best" },
  { key: "borda", title: "beats", digits: 3, of: row => row.borda, hint: "Borda: share of the others that it beats" },
  { key: "tasks", title: "tasks", digits: 0, of: row => row.tasks, hint: "how many of the tasks it has" },
];
const FIRST = ["linear-probe", "knn", "zero-shot", "pose-robustness"]; // what most people look for
const known = column => (FIRST.indexOf(column.task.protocol) + FIRST.length + 1) % (FIRST.length + 1);
const ofTask = data.tasks.map((task, place) => ({
  key: "t" + place, title: task.dataset, task, place, low: task.lower, of: row => row.cells[place] ? row.cells[place].v : null,
})).sort((a, b) => b.task.judges - a.task.judges || a.low - b.low || known(a) - known(b)); // losses, and what only describes, come last
const extra = [
  { key: "dim", title: "dimensions", of: row => row.dim, low: true },
  { key: "seconds", title: "seconds of embedding (what was not stored yet)", of: row => row.seconds, low: true },
].filter(column => data.rows.some(row => column.of(row) !== null));
let columns = [...fixed, ...ofTask];

function heading() {
  const line = make("tr");
  for (const column of columns) {
    const head = make("th", undefined, { scope: "col" }), button = make("button", column.title);
    if (column.task) {
      button.append(make("small", column.task.protocol), make("small", column.task.metric + (!column.task.judges ? ", describes" : column.low ? " ↓ lower is better" : "")));
      if (column.task.chance !== null) button.append(make("small", "chance " + show(column.task.chance)));
    } else if (column.hint) button.title = column.hint;
    if (state.column === column.key) head.setAttribute("aria-sort", state.up ? "ascending" : "descending");
    button.addEventListener("click", () => {
      state.up = state.column === column.key ? !state.up : Boolean(column.low || column.text);
      state.column = column.key;
      refresh(); // the heading is made anew: the focus stays with it
      get("board").tHead.querySelectorAll("button")[columns.indexOf(column)].focus();
    });
    head.append(button);
    line.append(head);
  }
  get("board").tHead.replaceChildren(line);
}

function hover(cell, task) {
  const lines = [`${task.metric} ${show(cell.v, 4)}`];
  if (cell.lo !== null && cell.hi !== null) lines.push(`95 % interval ${show(cell.lo, 4)} to ${show(cell.hi, 4)}`);
  lines.push(`n = ${cell.n}`);
  if (cell.tested) {
    lines.push(cell.p === null ? "best of its column" : `p = ${cell.p < 1e-4 ? "< 0.0001" : show(cell.p, 4)} against the best`);
    lines.push(`rank between ${cell.rl} and ${cell.rh}; tie group ${cell.g}`);
  } else lines.push(task.judges ? "not tested: no examples to pair" : "describes: more is not better");
  return lines.join("\n");
}

function rowNode(row) {
  const line = make("tr", undefined, { class: row.kind });
  for (const column of columns) {
    if (column.text) {
      const head = make("th", undefined, { scope: "row", title: row.name }), label = make("label"), box = make("input", undefined, { type: "checkbox" });
      box.checked = state.chosen.includes(row);
      box.addEventListener("change", () => choose(row, box.checked));
      label.append(box, " ", row.name);
      head.append(label);
      line.append(head);
      continue;
    }
    const value = column.of(row);
    const node = make("td", show(value, column.task ? 3 : column.digits));
    if (value === null) node.className = "none";
    else if (column.task) {
      const cell = row.cells[column.place];
      node.className = "cell" + (cell.b ? " bold" : "");
      node.title = hover(cell, column.task);
      if (cell.s !== null) node.style.setProperty("--shade", cell.s);
      if (cell.g) node.append(make("sup", " " + cell.g));
      node.tabIndex = 0;
      node.addEventListener("click", () => provenance(row, column));
      node.addEventListener("keydown", event => { if (event.key === "Enter") provenance(row, column); });
    } else if (column.key === "rank" && row.place[0] !== null) node.title = `place ${row.place[0]} to ${row.place[1]} (95 %, over draws of tasks); ${row.drop[0]} to ${row.drop[1]} when one task is left out`;
    line.append(node);
  }
  return line;
}

function pad(height) {
  const line = make("tr", undefined, { class: "pad" }), cell = make("td", undefined, { colspan: columns.length });
  cell.style.height = height + "px";
  line.append(cell);
  return line;
}

function paint(force) {
  const box = get("scroll"), first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - MARGIN);
  if (!force && Math.abs(first - state.first) < MARGIN / 2) return;
  state.first = first;
  const last = Math.min(state.rows.length, first + Math.ceil(box.clientHeight / HEIGHT) + 2 * MARGIN);
  const nodes = state.rows.slice(first, last).map(rowNode);
  if (first) nodes.unshift(pad(first * HEIGHT));
  if (last < state.rows.length) nodes.push(pad((state.rows.length - last) * HEIGHT));
  get("board").tBodies[0].replaceChildren(...nodes);
}

function refresh() {
  const text = get("filter").value.toLowerCase(), kind = get("kind").value, source = get("source").value, protocol = get("protocol").value;
  columns = [...fixed, ...ofTask.filter(column => !protocol || column.task.protocol === protocol)];
  state.rows = data.rows.filter(row => row.name.toLowerCase().includes(text) && (!kind || row.kind === kind) && (!source || row.source === source)
    && (get("controls").checked || row.kind !== "control") && (get("published").checked || row.kind !== "published"));
  const column = columns.find(one => one.key === state.column) || fixed[3], sign = state.up ? 1 : -1;
  state.rows.sort((a, b) => {
    const x = column.of(a), y = column.of(b);
    if (x === null || y === null) return (x === null) - (y === null); // what is missing is last either way
    return sign * (column.text ? x.localeCompare(y) : x - y);
  });
  get("count").textContent = `${state.rows.length} of ${data.rows.length} encoders`;
  heading();
  paint(true);
  plot();
}

function choose(row, on) {
  state.chosen = on ? [...state.chosen, row].slice(-2) : state.chosen.filter(one => one !== row);
  get("compare").disabled = state.chosen.length !== 2;
  paint(true);
}

function open(...nodes) {
  get("detail").replaceChildren(...nodes);
  get("dialog").showModal();
}

function facts(pairs) {
  const list = make("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "" || value === "{}") continue;
    list.append(make("dt", name), make("dd", typeof value === "object" ? JSON.stringify(value, null, 1) : String(value)));
  }
  return list;
}

function provenance(row, column) {
  const cell = row.cells[column.place], task = column.task;
  open(make("h2", `${row.name} on ${task.name}`), facts([
    ["result", hover(cell, task)], ["chance", task.chance], ["all metrics", cell.m], ["convergence and more", cell.d], ["seconds", cell.t],
    ["encoder fingerprint", row.fingerprint], ["towers", row.towers], ["load report", row.load], ["dataset fingerprint", task.data],
    ["task digest", task.digest], ["task version", task.version], ["options", task.options], ["command", row.command], ["versions", row.versions],
  ]));
}

function difference(a, b, place) {
  const x = a.cells[place], y = b.cells[place], sign = data.tasks[place].lower ? -1 : 1;
  const errors = data.pairs[place], error = errors[`${a.id},${b.id}`] ?? errors[`${b.id},${a.id}`];
  const d = x.v - y.v;
  return { d, half: error === undefined ? null : 1.96 * error, good: sign * d };
}

function compare() {
  const [a, b] = state.chosen, table = make("table"), head = make("tr");
  for (const title of ["task", a.name, b.name, "difference", "95 % interval (paired)"]) head.append(make("th", title));
  table.append(head);
  ofTask.forEach(({ task, place }) => {
    if (!a.cells[place] || !b.cells[place]) return;
    const { d, half, good } = difference(a, b, place), line = make("tr");
    const real = half !== null && Math.abs(d) > half;
    line.append(make("th", task.name), make("td", show(a.cells[place].v)), make("td", show(b.cells[place].v)),
      make("td", (d > 0 ? "+" : "") + show(d), { class: real ? (good > 0 ? "good" : "bad") : "" }),
      make("td", half === null ? (task.judges ? "not tested" : "describes") : `${show(d - half)} to ${show(d + half)}`));
    table.append(line);
  });
  const box = make("div", undefined, { class: "wide pair" });
  box.append(table);
  open(make("h2", "Two encoders on the same examples"), make("p", "Green and red: the interval excludes no difference. One interval a row, not corrected for how many there are."), box);
}

function plot() {
  const all = [...fixed.slice(1), ...extra, ...ofTask], svg = get("plot");
  const across = all.find(one => one.key === get("x").value), up = all.find(one => one.key === get("y").value);
  const points = state.rows.map(row => ({ row, x: across.of(row), y: up.of(row) })).filter(one => one.x !== null && one.y !== null);
  const node = (tag, attributes, text) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    if (text !== undefined) one.textContent = text;
    svg.append(one);
    return one;
  };
  svg.replaceChildren();
  if (!points.length) return node("text", { x: 30, y: 40 }, "No encoder has both.");
  const scale = (values, from, to) => {
    const low = Math.min(...values), high = Math.max(...values), room = (high - low || 1) * .08;
    return value => from + (value - low + room) / (high - low + 2 * room || 1) * (to - from);
  };
  const px = scale(points.map(one => one.x), 60, 800), py = scale(points.map(one => one.y), 380, 15);
  node("line", { class: "axis", x1: 60, x2: 800, y1: 380, y2: 380 });
  node("line", { class: "axis", x1: 60, x2: 60, y1: 15, y2: 380 });
  const label = column => column.task ? column.task.name : column.title;
  node("text", { x: 430, y: 422, "text-anchor": "middle" }, label(across));
  node("text", { x: 14, y: 200, "text-anchor": "middle", transform: "rotate(-90 14 200)" }, label(up));
  for (const part of [0, .5, 1]) {
    const ends = (list, key) => { const v = list.map(one => one[key]); return Math.min(...v) + part * (Math.max(...v) - Math.min(...v)); };
    const x = ends(points, "x"), y = ends(points, "y");
    node("text", { x: px(x), y: 400, "text-anchor": "middle" }, show(x, 2));
    node("text", { x: 54, y: py(y) + 4, "text-anchor": "end" }, show(y, 2));
  }
  const sx = across.low ? 1 : -1, sy = up.low ? 1 : -1;
  const front = [...points].sort((a, b) => sx * (a.x - b.x) || sy * (a.y - b.y)).filter((one, i, list) => list.slice(0, i).every(other => sy * other.y > sy * one.y));
  if (front.length > 1) node("polyline", { class: "front", points: front.map(one => `${px(one.x)},${py(one.y)}`).join(" ") });
  const taken = [];
  for (const one of points) {
    const x = px(one.x), y = py(one.y), dot = node("circle", { class: "dot " + one.row.kind, cx: x, cy: y, r: 5 });
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${one.row.name}\n${label(across)} ${show(one.x)}\n${label(up)} ${show(one.y)}`;
    dot.append(title);
    if (points.length > 40) continue;
    let at = y - 8;
    while (taken.some(other => Math.abs(other.x - x) < 150 && Math.abs(other.y - at) < 12)) at -= 12;
    taken.push({ x, y: at });
    node("text", { x, y: at, "text-anchor": x > 650 ? "end" : x < 160 ? "start" : "middle" }, one.row.name);
  }
}

function cards() {
  for (const protocol of [...new Set(data.tasks.map(task => task.protocol))]) {
    const places = ofTask.filter(column => column.task.protocol === protocol).map(column => column.place);
    const count = data.rows.map(row => ({ row, bold: places.filter(place => row.cells[place] && row.cells[place].b).length }));
    const best = count.filter(one => one.row.kind !== "control").sort((a, b) => b.bold - a.bold || a.row.rank - b.row.rank)[0];
    if (!best || !best.bold) continue;
    const alone = places.filter(place => best.row.cells[place] && best.row.cells[place].b && data.rows.filter(row => row.cells[place] && row.cells[place].b).length === 1).length;
    const card = make("div", undefined, { class: "card" });
    card.append(make("small", protocol), make("strong", best.row.name), make("small", `best or level with the best on ${best.bold} of ${places.length}; significantly ahead of all others on ${alone}`));
    get("cards").append(card);
  }
}

function fill(id, values) { for (const value of [...new Set(values)].sort()) get(id).append(make("option", value, { value })); }
fill("kind", data.rows.map(row => row.kind));
fill("source", data.rows.map(row => row.source));
fill("protocol", data.tasks.map(task => task.protocol));
for (const id of ["x", "y"]) for (const column of [...fixed.slice(1), ...extra, ...ofTask]) get(id).append(make("option", column.task ? column.task.name : column.title, { value: column.key }));
get("x").value = extra.length ? extra[0].key : "rank";
get("y").value = "mean";
for (const id of ["filter", "kind", "source", "protocol", "controls", "published"]) get(id).addEventListener("input", refresh);
for (const id of ["x", "y"]) get(id).addEventListener("input", plot);
get("scroll").addEventListener("scroll", () => requestAnimationFrame(() => paint(false)), { passive: true });
get("compare").addEventListener("click", compare);
get("close").addEventListener("click", () => get("dialog").close());
cards();
refresh();
