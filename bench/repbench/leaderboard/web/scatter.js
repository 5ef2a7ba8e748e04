// Plots with a dot an encoder.
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
