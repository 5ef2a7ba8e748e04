// Heat maps: encoders by tasks, and tasks by tasks.
const OVER = 96; // pixels right of the last column, over which its heading leans
function headings(context, cols, { left, w, top, faint, each }) { // above a heat map: each task, or each protocol where they are many
  context.fillStyle = faint;
  cols.forEach((column, k) => {
    if (!each && cols[k - 1]?.task.protocol === column.task.protocol) return;
    const span = each ? w : w * (cols.findIndex((one, at) => at > k && one.task.protocol !== column.task.protocol) - k), name = each ? column.task.name : column.task.protocol;
    context.save();
    context.translate(left + k * w + (each ? w / 2 + 3 : Math.max(w, Math.min(span, 60)) / 2), top - 6);
    context.rotate(-Math.PI / 3);
    context.fillText(name.length > 27 ? name.slice(0, 26) + "…" : name, 0, 0);
    context.restore();
    if (!each && k) context.fillRect(left + k * w - 1, top - 5, 1, 5);
  });
}

function ends(values) { // the least and the greatest that is there
  let low = Infinity, high = -Infinity;
  for (const one of values) if (one !== null) { low = Math.min(low, one); high = Math.max(high, one); }
  return [low, high];
}

let drawing = 0; // the number of the last drawing: what an older one has not drawn yet is not drawn
function inSlices(count, draw, mine = ++drawing, from = 0) { // one after the other; the page answers between slices of a few milliseconds
  const until = performance.now() + 12;
  let place = from;
  while (place < count && performance.now() < until) draw(place++);
  if (place < count) setTimeout(() => mine === drawing && inSlices(count, draw, mine, place));
}

function byProtocol() { // the tasks in the table that judge, those of one protocol together
  const all = ofTask.filter(column => column.task.judges && columns.includes(column)), first = protocol => all.findIndex(one => one.task.protocol === protocol);
  return distinct(all.map(column => column.task.protocol)).sort((a, b) => first(a) - first(b)).flatMap(protocol => all.filter(column => column.task.protocol === protocol));
}

function canvasOf(width, height) { // the canvas, empty, of that size in CSS pixels: its context, and the colours of the page
  const canvas = get("heat"), ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d"), style = getComputedStyle(document.body);
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  Object.assign(canvas.style, { width: width + "px", height: height + "px" });
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  return { canvas, context, ...Object.fromEntries(["mark", "ink", "faint"].map(name => [name, style.getPropertyValue("--" + name)])) };
}

const fitted = (name, room) => name.length > room / 7 ? name.slice(0, room / 7 - 1) + "…" : name;

function heat() {
  const rows = state.rows, cols = byProtocol();
  const names = rows.length <= 60, left = names ? (NARROW ? 110 : 230) : 8, top = 150;
  const w = Math.max(5, Math.min(44, (get("plots").clientWidth - left - OVER) / cols.length)), h = names ? 18 : Math.max(1, Math.min(10, 700 / rows.length));
  const { canvas, context, mark, ink, faint } = canvasOf(left + w * cols.length + OVER, top + h * rows.length + 4);
  const column = k => {
    const at = cols[k], values = rows.map(row => at.of(row)), [low, high] = ends(values);
    rows.forEach((row, i) => {
      const cell = row.cells[at.place], x = left + k * w, y = top + i * h;
      if (!cell) { context.fillStyle = faint; context.globalAlpha = .12; context.fillRect(x, y + h / 2 - .5, w - 1, 1); context.globalAlpha = 1; return; }
      const share = cell.s ?? (high > low ? (at.low ? high - cell.v : cell.v - low) / (high - low) : .5);
      context.fillStyle = `rgba(${mark}, ${.05 + .95 * share})`;
      context.fillRect(x, y, w - (w > 8 ? 1 : 0), h - (h > 8 ? 1 : 0));
    });
  };
  headings(context, cols, { left, w, top, faint, each: cols.length <= 60 && w >= 14 });
  context.fillStyle = ink;
  if (names) rows.forEach((row, i) => context.fillText(fitted(row.name, left - 10), 2, top + i * h + 13));
  inSlices(cols.length, column);
  const at = event => ({ row: rows[Math.floor((event.offsetY - top) / h)], column: cols[Math.floor((event.offsetX - left) / w)] });
  canvas.onmousemove = event => {
    const { row, column } = at(event), cell = row && column && row.cells[column.place];
    told(row && column ? `${row.name} on ${column.task.name}: ${cell ? hover(cell, column.task).replaceAll("\n", "; ") : "not done, or not possible"}` : HEAT);
  };
  canvas.onclick = event => { const { row, column } = at(event); if (row && column && row.cells[column.place]) provenance(row, column); };
  told(HEAT);
}
const HEAT = "Darker is better: from chance to perfect, or, where a scale is open, from the worst of the column to its best. Tasks that judge, in the order of the table; point at a cell for its numbers, press it for where they come from.";

function alike() { // how alike two tasks rank the encoders
  const cols = byProtocol(), { places, rho } = data.alike, at = new Map(places.map((place, k) => [place, k]));
  const of = (a, b) => { const [p, q] = [at.get(a.place), at.get(b.place)].sort((x, y) => y - x); return p === q ? 100 : rho[p][q]; };
  const names = cols.length <= 60, left = names ? (NARROW ? 110 : 230) : 8, top = 150, w = Math.max(4, Math.min(26, (get("plots").clientWidth - left - OVER) / cols.length));
  const { canvas, context, mark, ink, faint } = canvasOf(left + w * cols.length + OVER, top + w * cols.length + 4);
  headings(context, cols, { left, w, top, faint, each: names && w >= 14 });
  context.fillStyle = ink;
  if (names) cols.forEach((column, k) => context.fillText(fitted(column.task.name, left - 10), 2, top + k * w + w / 2 + 4));
  inSlices(cols.length, k => cols.forEach((column, i) => {
    const value = of(cols[k], column);
    context.fillStyle = value === null ? faint : value < 0 ? `rgba(217, 72, 15, ${-value / 100})` : `rgba(${mark}, ${value / 100})`;
    context.globalAlpha = value === null ? .12 : 1;
    context.fillRect(left + k * w, top + i * w, w - (w > 8 ? 1 : 0), value === null ? 1 : w - (w > 8 ? 1 : 0));
    context.globalAlpha = 1;
  }));
  const pair = event => [cols[Math.floor((event.offsetX - left) / w)], cols[Math.floor((event.offsetY - top) / w)]];
  canvas.onmousemove = event => {
    const [a, b] = pair(event), value = a && b && of(a, b), n = a && b && data.rows.filter(row => row.kind !== "published" && row.cells[a.place] && row.cells[b.place]).length;
    told(a && b ? `${a.task.name} and ${b.task.name}: ${value === null ? "too few encoders have both, or one of the two is the same for all" : `Spearman ${show(value / 100, 2)}`}, ${n} encoders` : ALIKE);
  };
  canvas.onclick = null;
  told(ALIKE);
}
const ALIKE = "Blue: two tasks rank the encoders alike (Spearman's correlation, darkest 1); orange: the other way round; a line: fewer than 5 encoders have both. Over all encoders of the board, more being better. Point at a cell for its number." + (data.few ? " Few tasks that tell the same: " + data.few : "");
