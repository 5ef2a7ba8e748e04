// The table: only the rows and columns in sight are in the document, so that 1,000 encoders x 100 tasks scroll like ten.
const HEIGHT = 34, MARGIN = 6, NARROW = window.matchMedia("(max-width: 40rem)").matches;
const LONGEST = Math.max(0, ...data.rows.map(row => row.name.length));
const WIDTH = { name: NARROW ? 180 : Math.max(200, Math.min(420, 60 + 8 * LONGEST)), aggregate: 104, task: 138 };
const state = { column: "", up: true, chosen: [], rows: [], sight: "", focus: [0, 0], first: 0, last: 0 };
const PARTIAL = data.gaps; // encoders have unlike tasks: means over their own cannot be compared

const fixed = [
  { key: "name", title: "encoder", text: true, of: row => row.name },
  ...(PARTIAL ? [
    { key: "crank", title: "common rank", digits: 2, of: row => row.crank, low: true, hint: `mean rank over the ${data.common} tasks that ${data.sharing} share; 1 is best` },
    { key: "cmean", title: "common mean", digits: 3, of: row => row.cmean, hint: `over those of the ${data.common} tasks that ${data.sharing} share which are scored as a share of right answers` },
  ] : []),
  { key: "mean", title: PARTIAL ? "own mean" : "mean", digits: 3, of: row => row.mean, hint: PARTIAL ? "over the tasks that this encoder has: not comparable between encoders of unlike tasks" : "over tasks scored as a share of right answers" },
  { key: "norm", title: "above chance", digits: 3, of: row => row.norm, hint: "0 is guessing, 1 perfect; over the tasks that it has" },
  { key: "rank", title: PARTIAL ? "own rank" : "mean rank", digits: 2, of: row => row.rank, low: true, hint: "mean rank over the tasks that it has; 1 is best" },
  { key: "borda", title: "beats", digits: 3, of: row => row.borda, hint: "Borda: share of the others that it beats" },
  { key: "tasks", title: "tasks", digits: 0, of: row => row.tasks, hint: "how many of the tasks it has" },
];
state.column = PARTIAL ? "crank" : "rank";
const FIRST = ["linear-probe", "knn", "zero-shot", "pose-robustness"]; // what most people look for
const known = column => (FIRST.indexOf(column.task.protocol) + FIRST.length + 1) % (FIRST.length + 1);
const ofTask = data.tasks.map((task, place) => ({
  key: "t" + place, title: task.dataset, task, place, low: task.lower, of: row => row.cells[place] ? row.cells[place].v : null,
})).sort((a, b) => b.task.judges - a.task.judges || a.low - b.low || known(a) - known(b)); // losses, and what only describes, come last
const extra = [
  { key: "parameters", title: "parameters", of: row => row.parameters, low: true, log: true },
  { key: "milliseconds", title: "milliseconds of embedding an item", of: row => row.milliseconds, low: true, log: true },
  { key: "dim", title: "dimensions", of: row => row.dim, low: true, log: true },
].filter(column => data.rows.some(row => column.of(row) !== null));
let columns = [...fixed, ...ofTask], lefts = [];

const widthOf = column => column.text ? WIDTH.name : column.task ? WIDTH.task : WIDTH.aggregate;

function hover(cell, task) {
  const lines = [`${task.metric} ${show(cell.v, 4)}`];
  if (cell.lo !== null && cell.hi !== null) lines.push(`95 % interval ${show(cell.lo, 4)} to ${show(cell.hi, 4)}`);
  lines.push(`n = ${cell.n}`);
  if (cell.tested) {
    lines.push(cell.p === null ? "best of its column" : `p = ${cell.p < 1e-4 ? "< 0.0001" : show(cell.p, 4)} against the best`);
    lines.push(`rank between ${cell.rl} and ${cell.rh}; tie group ${cell.g}`);
  } else lines.push(task.judges ? "not tested: no examples to pair" : "describes: more is not better");
  if (cell.x) lines.push(...Object.entries(cell.x).map(([name, value]) => `${name}: ${typeof value === "number" ? show(value) : value}`));
  return lines.join("\n");
}

function headNode(column, place) {
  const head = make("th", undefined, { scope: "col", "aria-colindex": place + 1 }), button = make("button", column.title);
  if (column.task) {
    const task = column.task;
    button.append(make("small", task.protocol), make("small", task.metric + (!task.judges ? ", describes" : column.low ? " ↓ better" : "")));
    if (task.chance !== null) button.append(make("small", "chance " + show(task.chance)));
    button.title = `${task.name}\n${task.metric}${column.low ? ", lower is better" : ""}`;
  } else if (column.hint) button.title = column.hint;
  if (state.column === column.key) head.setAttribute("aria-sort", state.up ? "ascending" : "descending");
  button.addEventListener("click", () => {
    state.up = state.column === column.key ? !state.up : Boolean(column.low || column.text);
    state.column = column.key;
    refresh(); // the heading is made anew: the focus stays with it
    get("board").tHead.querySelector(`th[aria-colindex="${place + 1}"] button`)?.focus();
  });
  head.append(button);
  return head;
}

function cellNode(row, column, line, place) {
  const value = column.of(row);
  const node = make("td", show(value, column.task ? 3 : column.digits));
  node.dataset.at = `${line},${place}`;
  node.tabIndex = state.focus[0] === line && state.focus[1] === place ? 0 : -1;
  if (value === null) node.className = "none";
  else if (column.task) {
    const cell = row.cells[column.place];
    node.className = "cell" + (cell.b ? " bold" : "");
    if (cell.s !== null) node.style.setProperty("--shade", cell.s);
    if (cell.g) node.append(make("sup", " " + cell.g));
  } else if (["mean", "rank", "norm", "borda"].includes(column.key) && PARTIAL) node.className = "own";
  return node;
}

function title(row, column) { // what a cell says when it is pointed at; only made then
  if (column.task) return row.cells[column.place] ? hover(row.cells[column.place], column.task) : "not done, or not possible for this encoder";
  if (column.of(row) === null && column.key.startsWith("c")) return "lacks a task that the other encoders share: compared task by task only";
  if (column.key === (PARTIAL ? "crank" : "rank") && row.place[0] !== null) return `place ${row.place[0]} to ${row.place[1]} (95 %, over draws of tasks); ${row.drop[0]} to ${row.drop[1]} when one task is left out`;
  return column.hint || "";
}

function rowNode(line, from, to, before, after) {
  const row = state.rows[line], node = make("tr", undefined, { class: row.kind, "aria-rowindex": line + 2 });
  const head = make("th", undefined, { scope: "row", title: row.name }), label = make("label"), box = make("input", undefined, { type: "checkbox" });
  head.dataset.at = `${line},0`;
  head.tabIndex = state.focus[0] === line && state.focus[1] === 0 ? 0 : -1;
  box.checked = state.chosen.includes(row);
  box.tabIndex = -1;
  box.addEventListener("change", () => choose(row, box.checked));
  label.append(box, " ", nameNode("span", row.name));
  head.append(label);
  node.append(head);
  if (before) node.append(make("td", undefined, { class: "pad" }));
  for (let place = from; place < to; place++) node.append(cellNode(row, columns[place], line, place));
  if (after) node.append(make("td", undefined, { class: "pad" }));
  return node;
}

function pad(height, count) {
  const line = make("tr", undefined, { class: "pad", "aria-hidden": "true" }), cell = make("td", undefined, { colspan: count });
  cell.style.height = height + "px";
  line.append(cell);
  return line;
}

function inSight() {
  const box = get("scroll"), left = box.scrollLeft + lefts[1], right = box.scrollLeft + box.clientWidth;
  let from = 1, to = columns.length;
  while (from < columns.length - 1 && lefts[from + 1] < left - 150) from++;
  while (to > from + 1 && lefts[to - 1] > right + 150) to--;
  const top = Math.floor(box.scrollTop / HEIGHT / MARGIN) * MARGIN;
  const first = Math.max(0, top - MARGIN), last = Math.min(state.rows.length, top + Math.ceil(box.clientHeight / HEIGHT) + 2 * MARGIN);
  return [first, last, from, to];
}

function paint(force) {
  const [first, last, from, to] = inSight(), sight = [first, last, from, to].join();
  if (!force && sight === state.sight) return;
  Object.assign(state, { sight, first, last });
  const table = get("board"), had = document.activeElement?.dataset?.at;
  const before = lefts[from] - lefts[1], after = lefts[columns.length] - lefts[to];
  const widths = [WIDTH.name, ...(before ? [before] : []), ...columns.slice(from, to).map(widthOf), ...(after ? [after] : [])];
  table.style.width = lefts[columns.length] + "px";
  table.querySelector("colgroup").replaceChildren(...widths.map(width => { const one = make("col"); one.style.width = width + "px"; return one; }));
  const spacer = width => width ? [make("th", undefined, { class: "pad" })] : [];
  const line = make("tr", undefined, { "aria-rowindex": 1 });
  line.append(headNode(columns[0], 0), ...spacer(before), ...columns.slice(from, to).map((column, k) => headNode(column, from + k)), ...spacer(after));
  table.tHead.replaceChildren(line);
  const nodes = [];
  for (let place = first; place < last; place++) nodes.push(rowNode(place, from, to, before, after));
  if (first) nodes.unshift(pad(first * HEIGHT, widths.length));
  if (last < state.rows.length) nodes.push(pad((state.rows.length - last) * HEIGHT, widths.length));
  table.tBodies[0].replaceChildren(...nodes);
  if (had) table.querySelector(`[data-at="${had}"]`)?.focus({ preventScroll: true });
}

function refresh() {
  const text = get("filter").value.toLowerCase(), kind = get("kind").value, source = get("source").value, protocol = get("protocol").value;
  columns = [...fixed, ...ofTask.filter(column => !protocol || column.task.protocol === protocol)];
  lefts = [0];
  for (const column of columns) lefts.push(lefts.at(-1) + widthOf(column));
  state.rows = data.rows.filter(row => row.name.toLowerCase().includes(text) && (!kind || row.kind === kind) && (!source || row.source === source)
    && (get("controls").checked || row.kind !== "control") && (get("published").checked || row.kind !== "published"));
  const column = columns.find(one => one.key === state.column) || fixed[1], sign = state.up ? 1 : -1;
  state.rows.sort((a, b) => {
    const x = column.of(a), y = column.of(b);
    if (x === null || y === null) return (x === null) - (y === null); // what is missing is last either way
    return sign * (column.text ? x.localeCompare(y) : x - y);
  });
  state.focus = [0, 0];
  get("count").textContent = `${state.rows.length} of ${data.rows.length} encoders`;
  get("board").setAttribute("aria-rowcount", state.rows.length + 1);
  get("board").setAttribute("aria-colcount", columns.length);
  paint(true);
  plot();
}

function choose(row, on) {
  state.chosen = on ? [...state.chosen, row] : state.chosen.filter(one => one !== row);
  get("compare").disabled = state.chosen.length !== 2;
  get("compare").textContent = state.chosen.length > 2 ? `Compare two (${state.chosen.length} are ticked)` : "Compare two";
  paint(true);
  plot();
}

function moveTo(line, place) {
  line = Math.max(0, Math.min(state.rows.length - 1, line));
  place = Math.max(0, Math.min(columns.length - 1, place));
  state.focus = [line, place];
  const box = get("scroll"), head = get("board").tHead.offsetHeight, top = line * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + HEIGHT + head > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT + head - box.clientHeight;
  if (place && lefts[place] - lefts[1] < box.scrollLeft) box.scrollLeft = lefts[place] - lefts[1];
  if (place && lefts[place + 1] > box.scrollLeft + box.clientWidth) box.scrollLeft = lefts[place + 1] - box.clientWidth;
  paint(true);
  get("board").querySelector(`[data-at="${line},${place}"]`)?.focus({ preventScroll: true });
}

function keys(event) {
  if (event.target.tagName === "BUTTON") return;
  const [line, place] = state.focus, page = Math.max(1, Math.floor(get("scroll").clientHeight / HEIGHT) - 3);
  const steps = {
    ArrowDown: [line + 1, place], ArrowUp: [line - 1, place], ArrowRight: [line, place + 1], ArrowLeft: [line, place - 1],
    PageDown: [line + page, place], PageUp: [line - page, place], Home: [event.ctrlKey ? 0 : line, 0], End: [event.ctrlKey ? state.rows.length - 1 : line, columns.length - 1],
  };
  if (steps[event.key]) { event.preventDefault(); moveTo(...steps[event.key]); }
  else if (event.key === "Enter" || event.key === " ") {
    const at = event.target.closest("[data-at]");
    if (!at || event.target.tagName === "INPUT") return;
    event.preventDefault();
    press(at);
  }
}

function press(node) { // a cell: where it comes from; a name: chosen or not
  const [line, place] = node.dataset.at.split(",").map(Number), row = state.rows[line], column = columns[place];
  state.focus = [line, place];
  if (column.text) choose(row, !state.chosen.includes(row));
  else if (column.task && row.cells[column.place]) provenance(row, column);
}
