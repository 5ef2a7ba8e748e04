// Plots with a dot an encoder, and the heat map.
const labelOf = column => column.task ? column.task.name : column.title;

function scatter(svg, across, up, { pareto = true } = {}) { // a dot an encoder; how many lie on the Pareto front
  const points = state.rows.map(row => ({ row, x: across.of(row), y: up.of(row) })).filter(one => one.x !== null && one.y !== null && (!across.log || one.x > 0));
  if (!points.length) return nothing(svg, "No encoder in sight has both.");
  const { px, py } = axes(svg, { xs: points.map(one => one.x), ys: points.map(one => one.y), xlabel: labelOf(across), ylabel: labelOf(up), log: across.log, room: .08 });
  const sx = across.low ? 1 : -1, sy = up.low ? 1 : -1;
  const front = [...points].sort((a, b) => sx * (a.x - b.x) || sy * (a.y - b.y)).filter((one, i, list) => list.slice(0, i).every(other => sy * other.y > sy * one.y));
  if (pareto && front.length > 1) drawn(svg, "polyline", { class: "front", points: front.map(one => `${px(one.x)},${py(one.y)}`).join(" ") });
  const taken = [];
  for (const one of points) {
    const x = px(one.x), y = py(one.y), dot = drawn(svg, "circle", { class: "dot " + one.row.kind, cx: x, cy: y, r: 5 });
    drawn(dot, "title", {}, `${one.row.name}\n${labelOf(across)} ${brief(one.x)}\n${labelOf(up)} ${show(one.y)}`);
    if (points.length > 40) continue;
    let at = y - 8;
    while (taken.some(other => Math.abs(other.x - x) < 150 && Math.abs(other.y - at) < 12)) at -= 12;
    taken.push({ x, y: at });
    drawn(svg, "text", { x, y: at, "text-anchor": x > 650 ? "end" : x < 160 ? "start" : "middle" }, one.row.name);
  }
  return { points, front };
}

function told(words) { get("words").textContent = words; }

function plotAny(svg) {
  const all = [...fixed.slice(1), ...extra, ...ofTask];
  const [across, up] = ["x", "y"].map(id => all.find(one => one.key === get(id).value) || all[0]), found = scatter(svg, across, up);
  if (!found) return told("");
  const few = found.front.length === 1 ? `No other beats ${found.front[0].row.name} on either axis.` : "The dashed line joins the encoders that no other beats on both axes (Pareto).";
  told(few + (across.key === "milliseconds" || up.key === "milliseconds" ? " Times are of the machine that made the records." : ""));
}

function plotLabelFree(svg) {
  const free = data.tasks.findIndex(task => task.name === `${get("free").value}/${get("on").value}`), probe = data.tasks.findIndex(task => task.name === `${get("probe").value}/${get("on").value}`);
  const column = place => ofTask.find(one => one.place === place);
  if (free < 0 || probe < 0) return nothing(svg, "Not both measured on this dataset.");
  const points = scatter(svg, { ...column(free), log: false }, column(probe), { pareto: false })?.points;
  const [rho, low, high, n] = data.foretold[`${get("free").value}|${get("probe").value}|${get("on").value}`] || [null, null, null, 0];
  const whole = rho === null ? `${n} encoders of the board have both${n < 5 ? ": too few for a correlation (5 are needed)." : ", and one of the two is the same for all."}`
    : `Spearman's correlation over the ${n} encoders of the board ${show(rho, 2)} (95 %: ${show(low, 2)} to ${show(high, 2)}): how far a metric without labels ranks them as the probe does; a loss that does is negative.`;
  const seen = rho !== null && points && points.length >= 5 && points.length < n ? spearman(points.map(one => one.x), points.map(one => one.y)) : NaN;
  told(whole + (Number.isNaN(seen) ? "" : ` In sight: ${show(seen, 2)} over ${points.length}.`));
}

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

function heat() {
  const canvas = get("heat"), rows = state.rows, all = ofTask.filter(column => column.task.judges && columns.includes(column));
  const cols = distinct(all.map(column => column.task.protocol)).sort((a, b) => all.findIndex(one => one.task.protocol === a) - all.findIndex(one => one.task.protocol === b))
    .flatMap(protocol => all.filter(column => column.task.protocol === protocol));
  const names = rows.length <= 60, left = names ? (NARROW ? 110 : 230) : 8, top = 150;
  const w = Math.max(5, Math.min(44, (get("plots").clientWidth - left - 12) / cols.length)), h = names ? 18 : Math.max(1, Math.min(10, 700 / rows.length));
  const ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d"), style = getComputedStyle(document.body);
  Object.assign(canvas, { width: (left + w * cols.length + 40) * ratio, height: (top + h * rows.length + 4) * ratio });
  Object.assign(canvas.style, { width: left + w * cols.length + 40 + "px", height: top + h * rows.length + 4 + "px" });
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  const mark = style.getPropertyValue("--mark"), ink = style.getPropertyValue("--ink"), faint = style.getPropertyValue("--faint");
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
  if (names) rows.forEach((row, i) => context.fillText(row.name.length > (left - 10) / 7 ? row.name.slice(0, (left - 10) / 7 - 1) + "…" : row.name, 2, top + i * h + 13));
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
