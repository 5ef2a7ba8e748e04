// Plots with a line an encoder: accuracy against angle, quality against training step, reliability.
const FEW = 10; // examples of a bin below which its share is mostly noise
const SHOWN = 8; // lines that can be told apart

function inPlot(has) { // the encoders that are ticked, else the first in the table's order, of those that have something to draw
  const able = (state.chosen.length ? state.rows.filter(row => state.chosen.includes(row)) : state.rows).filter(has);
  return able.slice(0, SHOWN);
}

const whoIsDrawn = "Drawn are the encoders that are ticked, else the first of the table (at most " + SHOWN + ").";

const AWAY = "degrees from the typical pose"; // parts of a curve that a record keeps with its intervals: all classes, and each
const anglesOf = cell => Array.isArray(cell?.d?.curve?.mean) ? { [AWAY]: cell.d.curve.mean, ...Object.fromEntries(Object.entries(cell.d.curve).filter(([name]) => name !== "mean").map(([name, points]) => [`${AWAY}: ${name}`, points])) } : {};
const EACH = `${AWAY}, each class of one encoder`;

function anglesIn(place, part) { // [angle, share right, examples, low, high]: of an angle as it is, or of degrees from the typical pose
  return row => row.cells[place]?.y?.[part] || anglesOf(row.cells[place])[part]?.map(([x, y, low, high, n]) => [x, y, n, low, high]);
}

function fillParts(place) { // what the chosen task has; the choice is kept where it is there
  const away = distinct(data.rows.flatMap(row => Object.keys(anglesOf(row.cells[place])))), kept = get("part").value;
  const names = [...away.slice(0, 1), ...(away.length > 1 ? [EACH] : []), ...distinct(data.rows.flatMap(row => Object.keys(row.cells[place]?.y || {}))), ...away.slice(1)];
  fill("part", names.map(one => [one, one]));
  if (names.includes(kept)) get("part").value = kept;
}

function seriesByAngle(place, part) {
  if (part !== EACH) return inPlot(anglesIn(place, part)).map(row => ({ name: row.name, points: anglesIn(place, part)(row) }));
  return inPlot(anglesIn(place, AWAY)).slice(0, 1).flatMap(row => [
    { name: `${row.name}: mean per class`, points: anglesIn(place, AWAY)(row) },
    ...Object.keys(row.cells[place].d.curve).filter(name => name !== "mean").map(name => ({ name, points: anglesIn(place, `${AWAY}: ${name}`)(row), thin: true })),
  ]);
}

function plotAngle(svg) {
  const place = Number(get("angles").value);
  fillParts(place);
  const part = get("part").value, series = seriesByAngle(place, part);
  if (!series.length) return nothing(svg, "No encoder in sight has this.");
  const all = series.flatMap(one => one.points), chance = data.tasks[place].chance;
  const ends = all.flatMap(one => [one[1], one[3], one[4]]).filter(one => one !== null && one !== undefined);
  const scale = axes(svg, { xs: all.map(one => one[0]), ys: [...ends, ...(chance === null ? [] : [chance])], xlabel: part.startsWith(AWAY) ? AWAY : "angle, degrees", ylabel: "share right" });
  if (chance !== null) drawn(svg, "line", { class: "front", x1: BOX.left, x2: BOX.right, y1: scale.py(chance), y2: scale.py(chance) });
  const wide = series.filter(one => !one.thin), thin = series.filter(one => one.thin);
  wide.forEach((one, at) => band(svg, one.points, scale, COLOURS[at % COLOURS.length]));
  for (const one of thin) {
    const line = drawn(svg, "polyline", { class: "line thin", points: one.points.map(([x, y]) => `${scale.px(x)},${scale.py(y)}`).join(" ") });
    drawn(line, "title", {}, one.name);
  }
  lines(svg, wide.map(one => ({ ...one, points: one.points.map(([x, y, n]) => [x, y, n]) })), scale);
  const bands = part.startsWith(AWAY) ? `Bands: 95 % intervals that draw whole instances${thin.length ? "; thin lines: the classes, point at one for its name" : ""}; a class of one instance has none. ` : "";
  told(`${chance === null ? "" : "Dashed: chance. "}${bands}A flat line is a representation that knows an object from every side. ${whoIsDrawn}`);
}

function band(svg, points, { px, py }, colour) { // from the lower to the upper end of each interval, where each point has one
  if (points.some(one => one[3] === null || one[3] === undefined)) return;
  const ends = [...points.map(one => [one[0], one[3]]), ...points.map(one => [one[0], one[4]]).reverse()];
  drawn(svg, "polygon", { class: "band", fill: colour, points: ends.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") });
}

function runs() { // runs of which the board has several steps: name -> rows by step
  const found = new Map();
  for (const row of data.rows) if (row.run !== null) found.set(row.run, [...(found.get(row.run) || []), row]);
  return new Map([...found].filter(([, rows]) => new Set(rows.map(row => row.step)).size > 1).map(([name, rows]) => [name, rows.sort((a, b) => a.step - b.step)]));
}

function stepped() { // the tasks on which a run has several steps
  const found = [...runs().values()];
  return ofTask.filter(column => found.some(rows => rows.filter(row => column.of(row) !== null).length > 1));
}

function plotSteps(svg) {
  const column = ofTask.find(one => one.key === get("stepped").value);
  const series = [...runs()].map(([name, rows]) => ({ name, points: rows.filter(row => column.of(row) !== null).map(row => [row.step, column.of(row), null, row.cells[column.place].lo, row.cells[column.place].hi]) })).filter(one => one.points.length > 1).slice(0, SHOWN);
  if (!series.length) return nothing(svg, "No run has several steps on this task.");
  const all = series.flatMap(one => one.points), ends = all.flatMap(one => [one[1], one[3], one[4]]).filter(one => one !== null), scale = axes(svg, { xs: all.map(one => one[0]), ys: ends, xlabel: "training step or epoch", ylabel: `${column.task.name}, ${column.task.metric}` });
  lines(svg, series, scale);
  told("Upright lines: 95 % intervals. Of encoders that are one training run at several steps, by their records or their names (simclr-epoch-40).");
}

function plotReliability(svg) {
  const place = Number(get("reliable").value), when = get("when").value, has = row => row.cells[place]?.r?.[when];
  const series = inPlot(has).map(row => ({ name: row.name, points: has(row) }));
  if (!series.length) return nothing(svg, "No encoder in sight has this.");
  const scale = axes(svg, { xs: [0, 1], ys: [0, 1], xlabel: "confidence", ylabel: "share right", room: .02 });
  drawn(svg, "line", { class: "front", x1: scale.px(0), x2: scale.px(1), y1: scale.py(0), y2: scale.py(1) });
  const most = Math.max(...series.flatMap(one => one.points.map(point => point[2])));
  lines(svg, series, scale, point => 2 + 6 * Math.sqrt(point[2] / most), point => point[2] >= FEW);
  told(`On the dashed line a probability means what it says; below it the probe is too sure. Larger dots hold more examples; those of fewer than ${FEW} are pale and on no line. ${whoIsDrawn}`);
}
