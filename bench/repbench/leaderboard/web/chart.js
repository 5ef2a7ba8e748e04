// Axes, lines and dots in SVG: what all plots share.
const BOX = { left: 64, right: 800, top: 16, bottom: 380 };

function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) for (const by of high / low > 50 ? [1] : [1, 2, 5]) found.push(by * 10 ** power);
    return found.filter(one => one >= low * .999 && one <= high * 1.001);
  }
  const rough = (high - low) / 6 || 1, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(one => one * power >= rough) * power;
  const found = [];
  for (let one = Math.ceil(low / step) * step; one <= high + step / 1e6; one += step) found.push(Math.abs(one) < step / 1e6 ? 0 : one);
  return found;
}

function brief(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return +(value / 1e9).toPrecision(3) + "B";
  if (size >= 1e6) return +(value / 1e6).toPrecision(3) + "M";
  if (size >= 1e4) return +(value / 1e3).toPrecision(3) + "k";
  return String(+value.toPrecision(3));
}

function axes(svg, { xs, ys, xlabel, ylabel, log = false, room = .06 }) { // clears the plot; gives x and y in pixels
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 820 430");
  const scale = (values, from, to, isLog) => {
    const f = isLog ? Math.log10 : value => value, low = Math.min(...values.map(f)), high = Math.max(...values.map(f)), more = ((high - low) || (isLog ? 1 : Math.abs(high) || 1)) * room;
    const place = value => from + (f(value) - low + more) / (high - low + 2 * more || 1) * (to - from);
    return [place, isLog ? 10 ** (low - more) : low - more, isLog ? 10 ** (high + more) : high + more];
  };
  const [px, x0, x1] = scale(xs, BOX.left, BOX.right, log), [py, y0, y1] = scale(ys, BOX.bottom, BOX.top, false);
  for (const one of ticks(x0, x1, log)) {
    drawn(svg, "line", { class: "grid", x1: px(one), x2: px(one), y1: BOX.top, y2: BOX.bottom });
    drawn(svg, "text", { x: px(one), y: 398, "text-anchor": "middle" }, brief(one));
  }
  for (const one of ticks(y0, y1, false)) {
    drawn(svg, "line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: py(one), y2: py(one) });
    drawn(svg, "text", { x: BOX.left - 7, y: py(one) + 4, "text-anchor": "end" }, brief(one));
  }
  drawn(svg, "line", { class: "axis", x1: BOX.left, x2: BOX.right, y1: BOX.bottom, y2: BOX.bottom });
  drawn(svg, "line", { class: "axis", x1: BOX.left, x2: BOX.left, y1: BOX.top, y2: BOX.bottom });
  drawn(svg, "text", { x: 430, y: 424, "text-anchor": "middle" }, xlabel);
  drawn(svg, "text", { x: 13, y: 200, "text-anchor": "middle", transform: "rotate(-90 13 200)" }, ylabel);
  return { px, py };
}

function nothing(svg, words) {
  svg.replaceChildren();
  get("words").textContent = "";
  drawn(svg, "text", { x: 30, y: 40 }, words);
}

function legend(names) { // beside every plot with lines: colour and name
  get("legend").replaceChildren(...names.map((name, place) => {
    const item = make("span", name), mark = make("i");
    mark.style.background = COLOURS[place % COLOURS.length];
    item.prepend(mark);
    return item;
  }));
}

function lines(svg, series, { px, py }, size = () => 3.5, solid = () => true) { // series: { name, points: [[x, y, ...]] }; the line joins the solid ones
  series.forEach((one, place) => {
    const colour = COLOURS[place % COLOURS.length];
    drawn(svg, "polyline", { class: "line", stroke: colour, points: one.points.filter(solid).map(([x, y]) => `${px(x)},${py(y)}`).join(" ") });
    for (const point of one.points) {
      if (point[4] !== undefined && point[3] !== null) drawn(svg, "line", { class: "line", stroke: colour, "stroke-opacity": .45, x1: px(point[0]), x2: px(point[0]), y1: py(point[3]), y2: py(point[4]) });
      const dot = drawn(svg, "circle", { cx: px(point[0]), cy: py(point[1]), r: size(point), fill: colour, "fill-opacity": solid(point) ? 1 : .45 });
      drawn(dot, "title", {}, `${one.name}\n${brief(point[0])}: ${show(point[1])}` + (point[2] ? `, n = ${point[2]}` : ""));
    }
  });
  legend(series.map(one => one.name));
}

function spearman(xs, ys) {
  const ranks = list => list.map(one => list.filter(other => other < one).length + (list.filter(other => other === one).length + 1) / 2);
  const a = ranks(xs), b = ranks(ys), mean = (xs.length + 1) / 2;
  const sum = (p, q) => p.reduce((total, one, place) => total + (one - mean) * (q[place] - mean), 0);
  return sum(a, b) / Math.sqrt(sum(a, a) * sum(b, b));
}
