// What of the table is in the document: only rows and columns in sight, so that 1,000 encoders x 100 tasks scroll like ten.
const HEIGHT = 34, MARGIN = 4, STEP = 4, BESIDE = 150, SHARE = .72; // the share of the window is that of page.css
const NONE = [0, 0], held = { rows: NONE, columns: NONE }; // from the first to before the last of what is in the document

function headNode(column, place) {
  const head = make("th", undefined, { scope: "col", "aria-colindex": place + 1 }), button = make("button", column.title);
  if (column.task) {
    const task = column.task;
    button.append(make("small", task.protocol), make("small", task.metric + (!task.judges ? ", describes" : column.low ? " ↓ better" : "")));
    if (task.chance !== null) button.append(make("small", "chance " + show(task.chance)));
    if (task.of) button.append(make("small", task.of));
    button.title = `${task.name}${task.of ? `, ${task.of}` : ""}\n${task.metric}${column.low ? ", lower is better" : ""}`;
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

function rowNode(line, from, to) {
  const row = state.rows[line], node = make("tr", undefined, { class: row.kind, "aria-rowindex": line + 2 });
  const head = make("th", undefined, { scope: "row", title: row.name }), label = make("label"), box = make("input", undefined, { type: "checkbox" });
  head.dataset.at = `${line},0`;
  head.tabIndex = state.focus[0] === line && state.focus[1] === 0 ? 0 : -1;
  box.checked = state.chosen.includes(row);
  box.tabIndex = -1;
  box.addEventListener("change", () => choose(row, box.checked));
  label.append(box, " ", nameNode("span", row.name));
  head.append(label);
  node.append(head, make("td", undefined, { class: "pad" }), make("td", undefined, { class: "pad" }));
  slide(node.children[1], node.lastChild, NONE, [from, to], place => cellNode(row, columns[place], line, place));
  return node;
}

function padNode() { // stands for the rows above, or below, that are not in the document
  const line = make("tr", undefined, { class: "pad", "aria-hidden": "true" });
  line.append(make("td"));
  return line;
}

function inSight() { // rows and columns that are seen, and some around them, in steps: one step of scrolling rarely asks for new ones
  const box = get("scroll"), left = box.scrollLeft + lefts[1], right = box.scrollLeft + box.clientWidth;
  let from = 1, to = columns.length;
  while (from < columns.length - 1 && lefts[from + 1] < left - BESIDE) from++;
  from = 1 + Math.floor((from - 1) / STEP) * STEP;
  while (to > from + 1 && lefts[to - 1] > right + BESIDE) to--;
  to = Math.min(columns.length, 1 + Math.ceil((to - 1) / STEP) * STEP);
  const top = Math.floor(box.scrollTop / HEIGHT / MARGIN) * MARGIN;
  const height = Math.max(box.clientHeight, SHARE * window.innerHeight); // it grows with its first rows
  const first = Math.max(0, top - MARGIN), last = Math.min(state.rows.length, top + Math.ceil(height / HEIGHT) + 2 * MARGIN);
  return [first, last, from, to];
}

function slide(before, after, [had, until], [start, end], node) { // between two nodes, those of had..until become those of start..end
  const nodes = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, k) => node(from + k));
  if (start >= until || end <= had) {
    while (before.nextSibling !== after) before.nextSibling.remove();
    return after.before(...nodes(start, end));
  }
  for (let k = had; k < start; k++) before.nextSibling.remove();
  for (let k = until; k > end; k--) after.previousSibling.remove();
  before.after(...nodes(start, had));
  after.before(...nodes(until, end));
}

function paint(force) { // what is in sight; what stays in sight stays in the document
  const [first, last, from, to] = inSight(), focused = document.activeElement?.dataset?.at, body = get("board").tBodies[0];
  if (force) begin();
  const wider = from !== held.columns[0] || to !== held.columns[1];
  if (!wider && first === held.rows[0] && last === held.rows[1]) return;
  if (wider) paintColumns(from, to);
  slide(above, below, held.rows, [first, last], line => rowNode(line, from, to));
  for (const [node, count] of [[above, first], [below, state.rows.length - last]]) node.firstChild.style.height = count * HEIGHT + "px";
  held.rows = [first, last];
  if (focused) body.querySelector(`[data-at="${focused}"]`)?.focus({ preventScroll: true });
}

function begin() { // an empty table, of the columns that there are now
  const table = get("board"), line = make("tr", undefined, { "aria-rowindex": 1 });
  line.append(headNode(columns[0], 0), make("th", undefined, { class: "pad" }), make("th", undefined, { class: "pad" }));
  table.tHead.replaceChildren(line);
  table.tBodies[0].replaceChildren(above, below);
  table.style.width = lefts[columns.length] + "px";
  Object.assign(held, { rows: NONE, columns: NONE });
}

function paintColumns(from, to) {
  const table = get("board"), widths = [WIDTH.name, lefts[from] - lefts[1], ...columns.slice(from, to).map(widthOf), lefts[columns.length] - lefts[to]];
  table.querySelector("colgroup").replaceChildren(...widths.map(width => { const one = make("col"); one.style.width = width + "px"; return one; }));
  const head = table.tHead.rows[0];
  slide(head.children[1], head.lastChild, held.columns, [from, to], place => headNode(columns[place], place));
  for (let line = held.rows[0], node = above.nextSibling; node !== below; line++, node = node.nextSibling) {
    const row = state.rows[line], at = line;
    slide(node.children[1], node.lastChild, held.columns, [from, to], place => cellNode(row, columns[place], at, place));
  }
  for (const node of [above, below]) node.firstChild.colSpan = 3 + to - from;
  held.columns = [from, to];
}

const above = padNode(), below = padNode();
