// The report card: figures from the data in the page.
const PALETTE = [...COLOURS, "#14b8a6", "#84cc16", "#f43f5e", "#0ea5e9", "#78716c", "#f59e0b", "#6366f1", "#22c55e", "#b45309", "#e879f9", "#0d9488", "#9f1239", "#4d7c0f", "#1d4ed8", "#a16207", "#be185d"];
const isPicture = text => Boolean(text?.startsWith("data:image/"));
let current = 0;

function figure(title, ...nodes) {
  const box = make("div");
  box.append(make("h3", title), ...nodes);
  return box;
}

function blank(viewBox, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox, role: "img", "aria-label": label })) svg.setAttribute(name, value);
  return svg;
}

function legend(pairs) { // [colour, text]
  const key = make("div", undefined, { class: "legend" });
  for (const [colour, text] of pairs) {
    const one = make("span", text), mark = make("i");
    mark.style.background = colour;
    one.prepend(mark);
    key.append(one);
  }
  return key;
}

function taskLine(task) {
  const line = make("div", undefined, { class: "task" }), svg = blank("0 0 400 20", `${task.task} ${show(task.value)}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const values = [task.value, task.low, task.high, task.best_value, task.chance].filter(one => one !== null);
  const share = Math.min(...values) >= 0 && Math.max(...values) <= 1, low = share ? 0 : Math.min(...values), high = share ? 1 : Math.max(...values);
  const x = value => 4 + 392 * (value - low) / (high - low || 1), colour = task.bold ? "var(--good)" : "rgb(var(--mark))";
  drawn(svg, "line", { x1: 4, x2: 396, y1: 10, y2: 10, stroke: "var(--line)" });
  if (!task.judges) svg.replaceChildren(); // an open scale on which more is not better
  else if (task.low !== null && task.high !== null) drawn(svg, "rect", { x: x(task.low), width: Math.max(1, x(task.high) - x(task.low)), y: 5, height: 10, fill: colour, "fill-opacity": .35 });
  if (task.judges) drawn(svg, "rect", { x: x(task.value) - 1, width: 2, y: 2, height: 16, fill: colour });
  if (task.judges && task.chance !== null) drawn(svg, "rect", { x: x(task.chance) - .5, width: 1, y: 4, height: 12, fill: "var(--faint)" });
  if (task.judges) drawn(svg, "ellipse", { cx: x(task.best_value), cy: 10, rx: 2.5, ry: 5, fill: "none", stroke: "var(--ink)" });
  const range = task.rank_low === task.rank_high ? task.rank_low : `${task.rank_low} to ${task.rank_high}`;
  const place = task.rank_low === null ? (task.judges ? "not tested" : "describes") : `place ${range} of ${task.of}`;
  line.append(make("span", task.task), svg, make("span", `${show(task.value)}${task.lower ? " ↓" : ""}, ${place}`));
  line.title = `${task.metric} ${show(task.value, 4)}${task.low === null ? "" : `, 95 % interval ${show(task.low, 4)} to ${show(task.high, 4)}`}\nbest: ${task.best} ${show(task.best_value, 4)}`;
  return line;
}

function item(entry, place, className, words) {
  const picture = entry.pictures[place];
  const node = isPicture(picture) ? make("img", undefined, { src: picture, alt: "", class: className }) : make("b", picture || entry.labels[place], { class: className });
  node.title = words;
  return node;
}

function mapFigure(entry) {
  const colours = Object.keys(entry.map.colours), chooser = make("select"), as = make("input", undefined, { type: "checkbox" });
  const svg = blank("-12 -12 524 424", "Map of the embeddings by t-SNE"), key = make("div"), label = make("label", "colour by "), pictured = make("label");
  svg.classList.add("map");
  chooser.append(...colours.map(name => make("option", name, { value: name })));
  label.append(chooser);
  pictured.append(as, " as pictures");
  const draw = () => {
    svg.replaceChildren();
    const values = entry.map.colours[chooser.value] || [], names = [...new Set(values)].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const colourOf = name => PALETTE[names.indexOf(name) % PALETTE.length] || "rgb(var(--mark))";
    entry.map.at.forEach(([x, y], place) => {
      const picture = entry.pictures[place], node = as.checked && isPicture(picture)
        ? drawn(svg, "image", { href: picture, x: x * 500 - 9, y: y * 400 - 9, width: 18, height: 18 })
        : drawn(svg, "circle", { cx: x * 500, cy: y * 400, r: 4, fill: colourOf(values[place]) });
      drawn(node, "title", {}, colours.map(name => `${name}: ${entry.map.colours[name][place]}`).join("\n"));
    });
    key.replaceChildren(legend(names.length > PALETTE.length ? [] : names.map(name => [colourOf(name), name])));
  };
  chooser.addEventListener("input", draw);
  as.addEventListener("input", draw);
  draw();
  const tools = make("div", undefined, { class: "tools" });
  tools.append(label, ...(entry.pictures.some(isPicture) ? [pictured] : []));
  return figure("Map of the embeddings", make("p", "t-SNE: near is alike; distances between far groups mean little. Point at a dot for what it is."), tools, svg, key);
}

function galleryFigure(entry) {
  const rows = entry.gallery.map(({ query, near }) => {
    const line = make("div", undefined, { class: "near" });
    line.append(make("span", entry.labels[query], { title: entry.labels[query] }), item(entry, query, "query", entry.labels[query]));
    for (const [place, cosine, same] of near) line.append(item(entry, place, same ? "same" : "other", `${entry.labels[place]}, cosine ${cosine}`));
    return line;
  });
  return figure("Nearest neighbours", make("p", "An item of a class and what lies nearest to it among those of the map. Green: of its class, red: of another."), ...rows);
}

function matrixFigure(entry) {
  const size = entry.matrix.length, cell = Math.max(9, Math.min(26, 420 / size)), left = 110, names = entry.names;
  const svg = blank(`0 0 ${left + cell * size + 4} ${left + cell * size + 4}`, "Matrix of confusions"), style = `font-size:${Math.min(12, cell)}px`;
  const short = name => name.length > 15 ? name.slice(0, 14) + "…" : name;
  entry.matrix.forEach((row, i) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    drawn(svg, "text", { x: left - 6, y: left + i * cell + cell * .7, "text-anchor": "end", style }, short(names[i]));
    drawn(svg, "text", { transform: `translate(${left + i * cell + cell * .7} ${left - 6}) rotate(-90)`, style }, short(names[i]));
    row.forEach((count, j) => {
      const rect = drawn(svg, "rect", { x: left + j * cell, y: left + i * cell, width: cell - 1, height: cell - 1, fill: i === j ? "rgb(var(--mark))" : "var(--bad)", "fill-opacity": count ? .08 + .92 * count / total : .03 });
      drawn(rect, "title", {}, `${names[i]} taken for ${names[j]}: ${count} of ${total}`);
    });
  });
  return figure("Confusions", make("p", "Rows are the truth, columns what was said; blue is right, red is wrong."), svg);
}

function classFigure(entry) {
  const list = make("ul"), words = ([name, n, share]) => `${name} ${show(share, 2)} (n = ${n})`;
  for (const [truth, said, count, of] of entry.confusions) list.append(make("li", `${truth} taken for ${said}: ${count} of ${of}`));
  return figure("Classes", make("p", `Best: ${entry.classes.slice(-5).reverse().map(words).join(", ")}.`), make("p", `Worst: ${entry.classes.slice(0, 5).map(words).join(", ")}.`),
    make("h3", "What it takes for what"), list);
}

function rivalFigure(entry) {
  const bar = make("div", undefined, { class: "split" }), total = Object.values(entry.counts).reduce((a, b) => a + b, 0), failed = entry.counts["only the rival"];
  const kinds = [["both", "var(--good)", "both right"], ["only it", "rgb(var(--mark))", "only this encoder"], ["only the rival", "var(--bad)", `only ${data.rival}`], ["neither", "var(--faint)", "neither"]];
  for (const [name, colour, words] of kinds) {
    const part = make("i", undefined, { title: `${words}: ${entry.counts[name]}` });
    part.style.cssText = `width:${100 * entry.counts[name] / total}%;background:${colour}`;
    bar.append(part);
  }
  const box = figure(`Beside ${data.rival}`, bar, legend(kinds.map(([name, colour, words]) => [colour, `${words} ${entry.counts[name]}`])));
  if (!entry.failures.length) return box;
  const shown = make("div", undefined, { class: "pictures" });
  for (const one of entry.failures) {
    const node = make("figure", undefined, { title: one.id });
    if (isPicture(one.picture)) node.append(make("img", undefined, { src: one.picture, alt: "" }));
    node.append(make("figcaption", `${one.truth}, taken for ${one.prediction}${one.picture && !isPicture(one.picture) ? `: ${one.picture}` : ""}`));
    shown.append(node);
  }
  box.append(make("h3", `Where it fails and ${data.rival} does not`), make("p", `${entry.failures.length} of ${failed} such examples, spread over the classes.`), shown);
  return box;
}

function closer() {
  const entry = data.closer[current];
  for (const [place, button] of [...get("datasets").children].entries()) button.setAttribute("aria-pressed", place === current);
  const row = (...nodes) => { const box = make("div", undefined, { class: "figures" }); box.append(...nodes.filter(Boolean)); return box; };
  get("closer").replaceChildren(
    make("p", `By ${entry.task}, ${entry.n} test examples.`),
    row(entry.map?.at && mapFigure(entry), entry.gallery?.length && galleryFigure(entry)),
    row(entry.matrix && matrixFigure(entry), classFigure(entry)),
    row(entry.counts && rivalFigure(entry)));
}

get("beside").textContent = `${data.tasks.length} tasks; the rival that it is set beside is ${data.rival}. Differences are paired tests on the same examples, corrected by Holm over the tasks.`;
for (const side of ["strengths", "weaknesses"]) get(side).append(...data.words[side].map(line => make("li", line)));
get("tasks").append(...[...data.tasks].sort((a, b) => b.judges - a.judges).map(taskLine));
data.closer.forEach((entry, place) => {
  const button = make("button", entry.dataset);
  button.addEventListener("click", () => { current = place; closer(); });
  get("datasets").append(button);
});
get("facts").append(...data.facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
if (data.closer.length) closer();
