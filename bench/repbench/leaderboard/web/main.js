// The page comes together: the kinds of plot, what listens to what.
const placesWith = key => data.tasks.map((task, place) => ({ task, place })).filter(({ place }) => data.rows.some(row => row.cells[place]?.[key]));
const scatterPreset = (x, y) => () => { get("x").value = x; get("y").value = y; };
const quality = PARTIAL ? "cmean" : "mean";
const free = distinct(data.tasks.filter(task => !task.judges || task.protocol === "alignment-uniformity").map(task => task.protocol));
const probes = distinct(data.tasks.filter(task => ["linear-probe", "knn"].includes(task.protocol)).map(task => task.protocol)).reverse();
const both = distinct(data.tasks.filter(task => free.includes(task.protocol) && data.tasks.some(other => other.dataset === task.dataset && probes.includes(other.protocol))).map(task => task.dataset));
const withAngles = data.tasks.map((task, place) => ({ task, place })).filter(({ place }) => data.rows.some(row => row.cells[place]?.y || Object.keys(anglesOf(row.cells[place])).length));
const kinds = [ // key, title, whether there is anything to draw, how, what the choice sets first
  { key: "parameters", title: "quality and size", able: () => extra.some(one => one.key === "parameters"), draw: plotAny, tools: "any", before: scatterPreset("parameters", quality) },
  { key: "time", title: "quality and time", able: () => extra.some(one => one.key === "milliseconds"), draw: plotAny, tools: "any", before: scatterPreset("milliseconds", quality) },
  { key: "any", title: "any two", able: () => true, draw: plotAny, tools: "any", before: () => {} },
  { key: "heat", title: "heat map", able: () => true, draw: heat, canvas: true },
  { key: "alike", title: "tasks alike", able: () => data.alike.rho.length, draw: alike, canvas: true },
  { key: "angle", title: "accuracy and angle", able: () => withAngles.length, draw: plotAngle, tools: "angle" },
  { key: "steps", title: "quality and training", able: () => stepped().length, draw: plotSteps, tools: "steps" },
  { key: "reliability", title: "reliability", able: () => placesWith("r").length, draw: plotReliability, tools: "reliability" },
  { key: "free", title: "label-free and probe", able: () => both.length, draw: plotLabelFree, tools: "free" },
].filter(kind => kind.able());
let kind = kinds[0];

let waiting = 0;
function plotSoon() { // the plot follows the table when that stands still
  clearTimeout(waiting);
  waiting = setTimeout(plot, 150);
}

function plot() {
  clearTimeout(waiting);
  get("svg").toggleAttribute("hidden", Boolean(kind.canvas));
  get("heat").toggleAttribute("hidden", !kind.canvas);
  get("legend").replaceChildren();
  for (const part of document.querySelectorAll("#plots [data-tools]")) part.hidden = part.dataset.tools !== kind.tools;
  for (const button of get("kinds").children) button.setAttribute("aria-pressed", button.dataset.kind === kind.key);
  kind.draw(get("svg"));
}

for (const one of kinds) {
  const button = make("button", one.title, { "data-kind": one.key, "aria-pressed": "false" });
  button.addEventListener("click", () => { kind = one; one.before?.(); plot(); });
  get("kinds").append(button);
}
for (const [id, title, values] of [["kind", "all", data.rows.map(row => row.kind)], ["source", "all", data.rows.map(row => row.source)], ["protocol", "all", data.tasks.map(task => task.protocol)]])
  fill(id, [["", title], ...distinct(values).map(one => [one, one])]);
for (const id of ["x", "y"]) fill(id, [...fixed.slice(1), ...extra, ...ofTask].map(column => [column.key, labelOf(column)]));
fill("angles", withAngles.map(({ task, place }) => [place, task.name]).sort((a, b) => ["linear-probe/", "pose-robustness/"].reduce((sum, one, at) => sum + (at + 1) * (b[1].startsWith(one) - a[1].startsWith(one)), 0)));
fill("stepped", stepped().map(column => [column.key, column.task.name]));
fill("reliable", placesWith("r").map(({ task, place }) => [place, task.name]));
fill("when", [["after", "after scaling"], ["before", "before scaling"]]);
fill("free", free.map(one => [one, one]));
fill("probe", probes.map(one => [one, one]));
fill("on", both.map(one => [one, one]));
get("x").value = "rank";
get("y").value = quality;
kind.before?.();
for (const id of ["filter", "kind", "source", "protocol", "controls", "published"]) get(id).addEventListener("input", refresh);
for (const part of document.querySelectorAll("#plots select")) part.addEventListener("input", plot);
const body = get("board").tBodies[0];
body.addEventListener("click", event => { const cell = event.target.closest("td[data-at]"); if (cell) press(cell); });
body.addEventListener("mouseover", event => {
  const cell = event.target.closest("td[data-at]");
  if (!cell || cell.title) return;
  const [line, place] = cell.dataset.at.split(",").map(Number);
  cell.title = title(state.rows[line], columns[place]);
});
get("scroll").addEventListener("keydown", keys);
get("scroll").addEventListener("scroll", () => requestAnimationFrame(() => paint(false)), { passive: true });
window.addEventListener("resize", () => paint(true));
document.addEventListener("keydown", event => {
  if (event.key === "/" && !["INPUT", "SELECT"].includes(event.target.tagName)) { event.preventDefault(); get("filter").focus(); }
});
get("compare").addEventListener("click", compare);
get("close").addEventListener("click", () => get("dialog").close());
for (const id of ["controls", "published"]) get(id).closest("label").hidden = !data.rows.some(row => row.kind === (id === "controls" ? "control" : "published"));
summary();
refresh();
plot();
