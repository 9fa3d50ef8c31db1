// Lines over the steps of a run.  No dependency, and nothing is fetched.
const W = 300, H = 150, LEFT = 44, RIGHT = 8, TOP = 8, BOTTOM = 22;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"]; // lines differ without colour, too

const svg = (name, attributes = {}, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const html = (name, properties = {}, ...parts) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...parts);
  return made;
};
const short = (value) => {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10_000) return `${+(value / 1000).toPrecision(3)}k`;
  return size < 0.001 ? value.toExponential(0) : String(+value.toPrecision(3));
};

// Where a scale has its marks: round numbers, or powers of ten.
function marks(low, high, log) {
  const found = [];
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    for (let p = first; p <= last; p++) found.push(10 ** p);
    return found.length > 1 ? found : [low, Math.sqrt(low * high), high];
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) found.push(v);
  return found;
}

function render({ model, el }) {
  const hidden = new Set(); // "panel/line" of what the legend has hidden
  let log = false, at = null; // index of the step that is read
  const box = html("input", { type: "checkbox" });
  const read = html("div", { className: "read" });
  const bar = html("div", { className: "bar" }, html("label", {}, box, "logarithmic"), read);
  const grid = html("div", { className: "grid", tabIndex: 0 });
  grid.setAttribute("role", "group");
  el.append(bar, grid);
  let cursors = [];

  const xOf = (i) => {
    const steps = model.get("steps"), first = steps[0], last = steps[steps.length - 1];
    const share = last > first ? (steps[i] - first) / (last - first) : 0.5;
    return LEFT + share * (W - LEFT - RIGHT);
  };

  function say() {
    const steps = model.get("steps");
    if (at === null || !steps.length) {
      read.textContent = steps.length > 1 ? "Point at a curve, or use the arrow keys." : "";
      cursors.forEach((one) => one.setAttribute("visibility", "hidden"));
      return;
    }
    at = Math.max(0, Math.min(steps.length - 1, at));
    const values = [];
    model.get("panels").forEach((panel, p) => panel.lines.forEach((line) => {
      const value = line.values[at];
      if (hidden.has(`${panel.title}/${line.name}`) || value === null) return;
      values.push(`${line.name} ${short(value)}`);
    }));
    read.textContent = `Step ${steps[at].toLocaleString("en")}: ${values.join(", ")}`;
    cursors.forEach((one) => {
      one.setAttribute("visibility", "visible");
      one.setAttribute("x1", xOf(at));
      one.setAttribute("x2", xOf(at));
    });
  }

  function drawn(panel, plot) {
    plot.replaceChildren();
    const steps = model.get("steps");
    const lines = panel.lines.map((line, k) => ({ ...line, k }))
      .filter((line) => !hidden.has(`${panel.title}/${line.name}`));
    const usable = (value) => value !== null && (!log || value > 0);
    const values = lines.flatMap((line) => line.values.filter(usable));
    if (!values.length) {
      const why = log && lines.length ? "nothing above zero" : "nothing chosen";
      plot.append(svg("text", { x: W / 2, y: H / 2, "text-anchor": "middle" }, why));
      return;
    }
    let low = Math.min(...values), high = Math.max(...values);
    if (!log && low > 0 && low < 0.5 * high) low = 0;
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
    const scale = log ? Math.log10 : (v) => v;
    const yOf = (v) => TOP + (H - TOP - BOTTOM) * (scale(high) - scale(v)) / (scale(high) - scale(low));
    for (const mark of marks(low, high, log)) {
      const y = yOf(mark);
      plot.append(
        svg("line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, stroke: "var(--c-faint)" }),
        svg("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, short(mark)),
      );
    }
    const ends = steps.length > 1 ? [0, steps.length - 1] : [0];
    ends.forEach((i, k) => plot.append(svg("text", {
      x: xOf(i), y: H - 6, "text-anchor": ends.length < 2 ? "middle" : k ? "end" : "start",
    }, steps[i].toLocaleString("en"))));
    plot.append(svg("text", { x: (W + LEFT) / 2, y: H - 6, "text-anchor": "middle" },
      steps.length > 1 ? "step" : ""));
    for (const line of lines) {
      let path = "", open = false;
      line.values.forEach((value, i) => {
        if (usable(value)) path += `${open ? "L" : "M"}${xOf(i).toFixed(1)} ${yOf(value).toFixed(1)}`;
        open = usable(value);
      });
      const stroke = `var(--c-${line.k % 4})`;
      plot.append(svg("path", {
        d: path, stroke, fill: "none", "stroke-width": 2, "stroke-dasharray": DASHES[line.k % 4],
      }));
      const known = line.values.map((value, i) => [value, i]).filter(([value]) => usable(value));
      if (known.length < 3) known.forEach(([value, i]) => // a dot where there is no line yet
        plot.append(svg("circle", { cx: xOf(i), cy: yOf(value), r: 3, fill: stroke })));
    }
    const cursor = svg("line", {
      y1: TOP, y2: H - BOTTOM, stroke: "var(--c-ink)", visibility: "hidden",
    });
    plot.append(cursor);
    cursors.push(cursor);
  }

  function draw() {
    const focused = document.activeElement?.dataset?.line; // of this widget's legend
    cursors = [];
    grid.replaceChildren(...model.get("panels").map((panel) => {
      const plot = svg("svg", { viewBox: `0 0 ${W} ${H}`, "aria-hidden": "true" });
      const legend = html("div", { className: "legend" });
      panel.lines.forEach((line, k) => {
        const name = `${panel.title}/${line.name}`;
        const mark = html("i");
        mark.style.borderTopColor = `var(--c-${k % 4})`;
        mark.style.borderTopStyle = ["solid", "dashed", "dotted", "double"][k % 4];
        const entry = html("button", { type: "button" }, mark, line.name);
        entry.dataset.line = name;
        entry.setAttribute("aria-pressed", !hidden.has(name));
        entry.onclick = () => {
          hidden.has(name) ? hidden.delete(name) : hidden.add(name);
          draw();
        };
        legend.append(entry);
      });
      plot.onpointermove = plot.onpointerdown = (event) => {
        const area = plot.getBoundingClientRect();
        const x = (event.clientX - area.left) / area.width * W;
        const away = model.get("steps").map((_, i) => Math.abs(xOf(i) - x));
        at = away.indexOf(Math.min(...away));
        say();
      };
      drawn(panel, plot);
      const title = html("h4", {}, panel.title, " ", html("small", {}, `(${panel.unit})`));
      return html("div", {}, title, plot, legend);
    }));
    grid.setAttribute("aria-label", model.get("alt"));
    bar.style.display = model.get("steps").length ? "" : "none";
    if (focused) {
      [...grid.querySelectorAll("button")].find((b) => b.dataset.line === focused)?.focus();
    }
    say();
  }

  grid.onpointerleave = () => { at = null; say(); };
  grid.onkeydown = (event) => {
    const last = model.get("steps").length - 1;
    const to = {
      ArrowLeft: at === null ? last : at - 1, ArrowRight: at === null ? 0 : at + 1,
      Home: 0, End: last,
    }[event.key];
    if (event.target !== grid || to === undefined || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    read.setAttribute("role", "status"); // read aloud when keys ask, not while a pointer passes
    at = to;
    say();
  };
  box.onchange = () => { log = box.checked; draw(); };
  model.on("change:panels", draw);
  model.on("change:alt", draw);
  draw();
  return () => { model.off("change:panels", draw); model.off("change:alt", draw); };
}

export default { render };
