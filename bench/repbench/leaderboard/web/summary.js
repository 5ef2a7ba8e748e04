// Who is best at what, in words: the leader over all, and for each question the best encoder and whether it is really ahead.
const isRow = row => row.kind !== "control" && row.kind !== "published";
const bold = (row, place) => Boolean(row.cells[place]?.b);

function nameNode(tag, name, attributes = {}) { // a name that breaks where its parts end, and not within a word
  const node = make(tag, undefined, attributes);
  node.append(...name.split(/(?<=[:,/+])/).map(part => make("span", part, { class: "part" })));
  return node;
}

function better(a, b, place) { // whether the value of a row is better than that of another, in one column
  const x = a.cells[place]?.v ?? null, y = b.cells[place]?.v ?? null;
  if (x === null || y === null) return x !== null;
  return data.tasks[place].lower ? x < y : x > y;
}

function bestAt(places) { // the encoder that is bold most often in these columns; among equals, the one that wins most of them
  const rows = data.rows.filter(row => isRow(row) && places.some(place => row.cells[place]));
  const count = row => places.filter(place => bold(row, place)).length, most = Math.max(0, ...rows.map(count));
  const wins = new Map(rows.filter(row => count(row) === most).map(row => [row, 0]));
  for (const place of places) {
    let first = null;
    for (const row of wins.keys()) if (row.cells[place] && (first === null || better(row, first, place))) first = row;
    if (first) wins.set(first, wins.get(first) + 1);
  }
  return [...wins].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function rivals(row, places) { // who is level with, or ahead of, a row most often in these columns: encoders and controls
  const count = new Map();
  for (const place of places) for (const other of data.rows) if (other !== row && bold(other, place)) count.set(other, (count.get(other) || 0) + 1);
  return [...count].sort((a, b) => b[1] - a[1]);
}

function verdict(row, places) { // in words, and how sure: real, partly, open
  const met = place => data.rows.some(one => one !== row && one.kind !== "published" && one.cells[place]);
  const done = places.filter(place => row.cells[place]), tested = done.filter(place => row.cells[place].tested);
  const of = count => count === done.length ? (count === 1 ? "the one task" : `all ${count} tasks`) : `${count} of ${done.length} tasks`;
  const lacking = places.length - done.length, rest = lacking ? `; ${lacking} it cannot do or has not done` : "";
  if (!done.some(met)) return { sure: "open", words: `no other encoder was asked on ${of(done.length)}${rest}` };
  if (!tested.length) {
    const wins = done.filter(place => data.rows.every(one => one === row || !better(one, row, place))).length;
    return { sure: "open", words: `highest on ${of(wins)}, but the differences are not tested${rest}` };
  }
  const alone = tested.filter(place => met(place) && bold(row, place) && !data.rows.some(one => one !== row && bold(one, place)));
  const level = tested.filter(place => met(place) && bold(row, place) && !alone.includes(place)), behind = tested.filter(place => !bold(row, place));
  const names = some => { const found = rivals(row, some); return found[0][0].name + (found.length > 1 ? ` and ${found.length - 1} more` : ""); };
  const parts = [];
  if (alone.length) parts.push(`really ahead of all others on ${of(alone.length)}`);
  if (level.length) parts.push(`not told apart from ${names(level)} on ${of(level.length)}`);
  if (behind.length) parts.push(`behind ${names(behind)} on ${of(behind.length)}`);
  return { sure: alone.length === done.length ? "real" : alone.length ? "partly" : "open", words: parts.join("; ") + rest };
}

function card(protocol, columns) {
  const places = columns.map(column => column.place), row = bestAt(places);
  if (!row) return null;
  const { sure, words } = verdict(row, places), node = make("button", undefined, { class: "card", title: `show the tasks of ${protocol}` });
  node.append(make("small", protocol), make("em", data.questions[protocol] || protocol), nameNode("strong", row.name), make("span", words, { class: "verdict " + sure }));
  node.addEventListener("click", () => {
    get("protocol").value = protocol;
    Object.assign(state, { column: columns[0].key, up: columns[0].low });
    refresh();
    get("tools").scrollIntoView({ behavior: "smooth" });
  });
  return node;
}

function cards() {
  const judging = ofTask.filter(column => column.task.judges), found = distinct(judging.map(column => column.task.protocol)).sort((a, b) => known({ task: { protocol: a } }) - known({ task: { protocol: b } }));
  get("cards").append(...found.map(protocol => card(protocol, judging.filter(column => column.task.protocol === protocol))).filter(Boolean));
  lead();
}

function lead() { // one sentence about the whole board
  const key = PARTIAL ? "crank" : "rank", rows = data.rows.filter(row => isRow(row) && row[key] !== null).sort((a, b) => a[key] - b[key]), [first, ...others] = rows;
  if (!first) return;
  const could = others.filter(row => row.place[0] === 1), judging = ofTask.filter(column => column.task.judges && first.cells[column.place]?.tested);
  const best = judging.filter(column => bold(first, column.place)).length;
  get("lead").append("Over all, ", nameNode("b", first.name), ` leads: mean rank ${show(first[key], 2)} over the ${data.common} tasks${PARTIAL ? " that the encoders share" : ""}, and best or not told apart from the best on ${best} of its ${judging.length} tested tasks. `);
  if (!others.length) return;
  if (!could.length) get("lead").append("That does not hang on the choice of tasks: were they others of their kind, it would still be first (95 %).");
  else get("lead").append("Were the tasks others of their kind, ", nameNode("b", could[0].name), could.length > 1 ? ` and ${could.length - 1} more could be first as well.` : " could be first as well.");
}
