// Who is best at what, in words, as `opening.py` found it: the leader over all or of each group, and a card for each question.
function nameNode(tag, name, attributes = {}) { // a name that breaks where its parts end, and not within a word
  const node = make(tag, undefined, attributes);
  node.append(...name.split(/(?<=[:,/+])/).map(part => make("span", part, { class: "part" })));
  return node;
}

function sentence(tag, pieces) { // text and names in turns
  const node = make(tag);
  node.append(...pieces.map((piece, place) => place % 2 ? nameNode("b", piece) : piece));
  return node;
}

function card({ protocol, tasks, question, best, sure, words }) {
  const datasets = tasks.map(place => data.tasks[place]).map(task => task.dataset + (task.of ? ` (${task.of})` : "")), on = datasets.length > 3 ? `${datasets.length} datasets` : datasets.join(", ");
  const node = make("button", undefined, { class: "card", title: `show the tasks of ${protocol}` });
  node.append(make("small", `${protocol}: ${on}`), make("em", question || protocol), nameNode("strong", best), make("span", words, { class: "verdict " + sure }));
  node.addEventListener("click", () => {
    const first = ofTask.find(column => tasks.includes(column.place));
    get("protocol").value = protocol;
    Object.assign(state, { column: first.key, up: first.low });
    refresh();
    get("scroll").scrollLeft = lefts[columns.indexOf(first)] - lefts[1]; // its columns come into sight
    paint(false);
    get("tools").scrollIntoView({ behavior: "smooth" });
  });
  return node;
}

function summary() {
  const { lead, groups, cards } = data.opening;
  get("lead").append(...sentence("span", lead).childNodes);
  get("groups").append(...groups.map(pieces => sentence("li", pieces)));
  get("groups").hidden = !groups.length;
  get("cards").append(...cards.map(card));
}
