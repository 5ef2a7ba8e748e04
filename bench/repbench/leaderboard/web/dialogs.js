// What opens over the page: where a number comes from; two encoders task by task, and class by class.
function facts(pairs) {
  const list = make("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length)) continue;
    list.append(make("dt", name), fact(typeof value === "object" ? JSON.stringify(value, null, 1) : String(value)));
  }
  return list;
}

function fact(text) { // a long one is folded, so that what comes below it is found
  const lines = text.split("\n").length, node = make("dd", lines > LONG ? undefined : text);
  if (lines <= LONG) return node;
  const fold = make("details");
  fold.append(make("summary", `${lines} lines`), make("div", text));
  node.append(fold);
  return node;
}
const LONG = 16;

function provenance(row, column) {
  const cell = row.cells[column.place], task = column.task, isPlain = ([, value]) => value === null || typeof value !== "object";
  const plain = Object.fromEntries(Object.entries(cell.d || {}).filter(isPlain)), more = Object.fromEntries(Object.entries(cell.d || {}).filter(one => !isPlain(one)));
  open(nameNode("h2", `${row.name} on ${task.name}${task.of ? ` (${task.of})` : ""}`), facts([
    ["result", hover(cell, task)], ["chance", task.chance], ["beside blind rules", cell.x], ["all metrics", cell.m], ["command", row.command],
    ["convergence", plain], ["and more", more], ["load report", row.load], ["encoder fingerprint", row.fingerprint], ["dataset fingerprint", task.data], ["task digest", task.digest],
    ["task version", task.version], ["options", task.options], ["towers", row.towers], ["notes", row.notes], ["seconds", cell.t], ["versions", row.versions],
  ]));
}

function difference(a, b, place) {
  const x = a.cells[place], y = b.cells[place], sign = data.tasks[place].lower ? -1 : 1;
  const errors = data.pairs[place] || {}, error = errors[`${a.id},${b.id}`] ?? errors[`${b.id},${a.id}`];
  const d = x.v - y.v;
  return { d, half: error === undefined ? null : 1.96 * error, good: sign * d };
}

function tableOf(titles, lines) {
  const table = make("table"), head = make("tr"), box = make("div", undefined, { class: "wide pair" });
  for (const one of titles) head.append(nameNode("th", one, { scope: "col" }));
  table.append(head, ...lines);
  box.append(table);
  return box;
}

function compare() {
  const [a, b] = state.chosen, wins = { a: 0, b: 0, open: 0 };
  const lines = ofTask.filter(({ place }) => a.cells[place] && b.cells[place]).map(({ task, place }) => {
    const { d, half, good } = difference(a, b, place), line = make("tr"), real = half !== null && Math.abs(d) > half;
    if (half !== null) wins[real ? (good > 0 ? "a" : "b") : "open"]++;
    const head = make("th", undefined, { scope: "row" });
    if (task.classes && a.cells[place].o && b.cells[place].o) {
      const button = nameNode("button", task.name, { class: "link", title: "class by class" });
      button.addEventListener("click", () => classes(a, b, place));
      head.append(button);
    } else head.append(nameNode("span", task.name));
    line.append(head, make("td", show(a.cells[place].v)), make("td", show(b.cells[place].v)),
      make("td", signed(d), { class: real ? (good > 0 ? "good" : "bad") : "" }),
      make("td", half === null ? (task.judges ? "not tested" : "describes") : `${show(d - half)} to ${show(d + half)}`));
    return line;
  });
  const words = `${a.name} is better on ${wins.a} tasks, ${b.name} on ${wins.b}; on ${wins.open} the examples show no difference.`;
  open(make("h2", "Two encoders on the same examples"), make("p", words),
    make("p", "Green and red: the interval excludes no difference. One interval a row, not corrected for how many there are. Press a task to see its classes."),
    tableOf(["task", a.name, b.name, "difference", "95 % interval (paired)"], lines));
}

function classDifferences(a, b, place) { // by class: both shares right, the difference and half its interval, paired and by cluster
  const { names, of, clusters } = data.tasks[place].classes;
  const x = outcomes(a.cells[place].o, of.length), y = outcomes(b.cells[place].o, of.length);
  return names.map((name, label) => {
    const members = [...of.keys()].filter(one => of[one] === label), n = members.length, groups = new Map();
    for (const one of members) {
      const key = clusters ? clusters[one] : one;
      groups.set(key, (groups.get(key) || 0) + (x[one] - y[one]) / n);
    }
    const parts = [...groups.values()], m = parts.length, d = parts.reduce((sum, one) => sum + one, 0);
    const half = m < 2 ? null : 1.96 * Math.sqrt(parts.reduce((sum, one) => sum + (one - d / m) ** 2, 0) * m / (m - 1));
    const mean = list => members.reduce((sum, one) => sum + list[one], 0) / n;
    return { name, n, a: mean(x), b: mean(y), d, half };
  }).sort((p, q) => q.d - p.d);
}

function classes(a, b, place) {
  const found = classDifferences(a, b, place), real = found.filter(one => one.half !== null && Math.abs(one.d) > one.half).length;
  const lines = found.map(one => {
    const line = make("tr"), bar = make("td", undefined, { class: "bar" }), mark = make("i", undefined, { class: one.d > 0 ? "right" : "left" });
    mark.style.width = 50 * Math.abs(one.d) + "%";
    bar.append(mark);
    const clear = one.half !== null && Math.abs(one.d) > one.half;
    line.append(make("th", one.name, { scope: "row" }), make("td", String(one.n)), make("td", show(one.a)), make("td", show(one.b)),
      make("td", signed(one.d), { class: clear ? (one.d > 0 ? "good" : "bad") : "" }), bar,
      make("td", one.half === null ? "one example" : `${show(one.d - one.half)} to ${show(one.d + one.half)}`));
    return line;
  });
  const back = make("button", "← all tasks");
  back.addEventListener("click", compare);
  open(back, make("h2", `${data.tasks[place].name}, class by class`),
    make("p", `${real} of ${found.length} classes differ by more than their interval; about ${Math.ceil(found.length / 20)} would if nothing differed. Few examples make wide intervals.`),
    tableOf(["class", "examples", a.name, b.name, "difference", "", "95 % interval (paired)"], lines));
}
