// The table: its columns and rows, in which order and which of them, and what keys and presses do.
const NARROW = window.matchMedia("(max-width: 40rem)").matches;
const LONGEST = Math.max(0, ...data.rows.map(row => row.name.length));
const WIDTH = { name: NARROW ? 180 : Math.max(200, Math.min(420, 60 + 8 * LONGEST)), aggregate: 104, task: 138 };
const state = { column: "", up: true, chosen: [], rows: [], focus: [0, 0] };
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
const byName = new Intl.Collator().compare, lowered = new Map(data.rows.map(row => [row, row.name.toLowerCase()]));

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

function title(row, column) { // what a cell says when it is pointed at; only made then
  if (column.task) return row.cells[column.place] ? hover(row.cells[column.place], column.task) : "not done, or not possible for this encoder";
  if (column.of(row) === null && column.key.startsWith("c")) return "lacks a task that the other encoders share: compared task by task only";
  if (column.key === (PARTIAL ? "crank" : "rank") && row.place[0] !== null) return `place ${row.place[0]} to ${row.place[1]} (95 %, over draws of tasks); ${row.drop[0]} to ${row.drop[1]} when one task is left out`;
  return column.hint || "";
}

function refresh() {
  const text = get("filter").value.toLowerCase(), kind = get("kind").value, source = get("source").value, protocol = get("protocol").value;
  columns = [...fixed, ...ofTask.filter(column => !protocol || column.task.protocol === protocol)];
  lefts = [0];
  for (const column of columns) lefts.push(lefts.at(-1) + widthOf(column));
  state.rows = data.rows.filter(row => lowered.get(row).includes(text) && (!kind || row.kind === kind) && (!source || row.source === source)
    && (get("controls").checked || row.kind !== "control") && (get("published").checked || row.kind !== "published"));
  const column = columns.find(one => one.key === state.column) || fixed[1], sign = state.up ? 1 : -1;
  const values = new Map(state.rows.map(row => [row, column.of(row)]));
  state.rows.sort((a, b) => {
    const x = values.get(a), y = values.get(b);
    if (x === null || y === null) return (x === null) - (y === null); // what is missing is last either way
    return sign * (column.text ? byName(x, y) : x - y);
  });
  state.focus = [0, 0];
  get("count").textContent = `${state.rows.length} of ${data.rows.length} encoders`;
  get("board").setAttribute("aria-rowcount", state.rows.length + 1);
  get("board").setAttribute("aria-colcount", columns.length);
  paint(true);
  plotSoon();
}

function choose(row, on) {
  state.chosen = on ? [...state.chosen, row] : state.chosen.filter(one => one !== row);
  get("compare").disabled = state.chosen.length !== 2;
  get("compare").textContent = state.chosen.length > 2 ? `Compare two (${state.chosen.length} are ticked)` : "Compare two";
  paint(true);
  plotSoon();
}

function moveTo(line, place) {
  line = Math.max(0, Math.min(state.rows.length - 1, line));
  place = Math.max(0, Math.min(columns.length - 1, place));
  const box = get("scroll"), head = get("board").tHead.offsetHeight, top = line * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + HEIGHT + head > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT + head - box.clientHeight;
  if (place && lefts[place] - lefts[1] < box.scrollLeft) box.scrollLeft = lefts[place] - lefts[1];
  if (place && lefts[place + 1] > box.scrollLeft + box.clientWidth) box.scrollLeft = lefts[place + 1] - box.clientWidth;
  paint(false);
  remember(line, place)?.focus({ preventScroll: true });
}

function remember(line, place) { // the cell to which the Tab key comes back
  for (const one of get("board").querySelectorAll('[data-at][tabindex="0"]')) one.tabIndex = -1;
  state.focus = [line, place];
  const cell = get("board").querySelector(`[data-at="${line},${place}"]`);
  if (cell) cell.tabIndex = 0;
  return cell;
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
  remember(line, place);
  if (column.text) choose(row, !state.chosen.includes(row));
  else if (column.task && row.cells[column.place]) provenance(row, column);
}
