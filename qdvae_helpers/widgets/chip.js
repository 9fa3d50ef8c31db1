// A small part of a chip: qubits coloured by spin, couplers by coupling; a click chooses one.
// The lists beside it choose the same by keyboard, so this is a picture to those who cannot point.

const W = 560, H = 340, MARGIN = 30, R = 15;
const GREY = [184, 184, 184], DOWN = [230, 159, 0], UP = [26, 127, 193]; // plots/style.py
const AGREE = "#12915a", DIFFER = "#9a55c4";

const svg = (name, attributes = {}) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const signed = (value, digits) =>
  `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toFixed(digits)}`;
const colourOf = (spin) => {
  const end = spin < 0 ? DOWN : UP, share = Math.min(1, Math.abs(spin));
  return `rgb(${GREY.map((from, k) => Math.round(from + share * (end[k] - from))).join(" ")})`;
};

function render({ model, el }) {
  const names = model.get("names"), edges = model.get("edges");
  const places = model.get("places") // from 0 to 1, the second one downwards
    .map(([x, y]) => [MARGIN + x * (W - 2 * MARGIN), MARGIN + y * (H - 2 * MARGIN)]);
  const middles = edges.map(([u, v]) => [0, 1].map((k) => (places[u][k] + places[v][k]) / 2));

  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
  const lines = edges.map(([u, v]) => svg("line", {
    x1: places[u][0], y1: places[u][1], x2: places[v][0], y2: places[v][1],
  }));
  const knots = middles.map(([x, y]) => svg("circle", { cx: x, cy: y, r: 3, class: "knot" }));
  const dots = places.map(([x, y]) => svg("circle", { cx: x, cy: y, r: R, class: "qubit" }));
  const marks = { coupler: svg("line", { class: "mark" }), hover: svg("line", { class: "hover" }) };
  const rings = {
    qubit: svg("circle", { r: R + 5, class: "mark" }), hover: svg("circle", { r: R + 5, class: "hover" }),
  };
  picture.append(marks.hover, marks.coupler, ...lines, ...knots, ...dots, rings.hover, rings.qubit);
  const told = Object.assign(document.createElement("div"), { className: "told" });
  told.setAttribute("aria-hidden", "true");
  el.append(picture, told);

  const put = (element, attributes) => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  };
  const along = (line, edge) => put(line, {
    x1: places[edges[edge][0]][0], y1: places[edges[edge][0]][1],
    x2: places[edges[edge][1]][0], y2: places[edges[edge][1]][1], visibility: "visible",
  });
  const around = (ring, i) => put(ring, {
    cx: places[i][0], cy: places[i][1], visibility: "visible",
  });
  const nameOf = ({ qubit, coupler }) => {
    if (qubit !== undefined) {
      const h = signed(model.get("biases")[qubit], 2), mean = signed(model.get("spins")[qubit], 2);
      return `qubit ${names[qubit]}: h ${h}, spin ${mean}`;
    }
    const [u, v] = edges[coupler];
    return `coupler of ${names[u]} and ${names[v]}: J ${signed(model.get("couplings")[coupler], 2)}`;
  };

  function draw() {
    const spins = model.get("spins"), couplings = model.get("couplings");
    const most = Math.max(...couplings.map(Math.abs), 1e-9);
    dots.forEach((dot, i) => dot.setAttribute("fill", colourOf(spins[i] ?? 0)));
    couplings.forEach((J, i) => {
      const stroke = J < 0 ? AGREE : DIFFER, size = Math.abs(J) / most;
      put(lines[i], { stroke, "stroke-opacity": 0.12 + 0.88 * size, "stroke-width": 0.8 + 2.4 * size });
      put(knots[i], { fill: stroke });
    });
    around(rings.qubit, model.get("qubit"));
    along(marks.coupler, model.get("coupler"));
    picture.setAttribute("aria-label", model.get("alt"));
    say(null);
  }
  function say(what) {
    told.textContent = what ? nameOf(what) : "Click a qubit, or the dot in the middle of a coupler.";
  }
  // What a place belongs to: a qubit if it lies in one, or else the nearest middle of a coupler.
  function thingAt(event) {
    const area = picture.getBoundingClientRect(), scale = W / area.width;
    const x = (event.clientX - area.left) * scale, y = (event.clientY - area.top) * scale;
    const nearest = (points) => points
      .map((point, i) => [Math.hypot(point[0] - x, point[1] - y), i])
      .reduce((one, other) => (other[0] < one[0] ? other : one), [Infinity, -1]);
    const [toQubit, qubit] = nearest(places);
    if (toQubit < R + 6) return { qubit };
    const [toCoupler, coupler] = nearest(middles);
    return toCoupler < 22 ? { coupler } : null;
  }

  picture.onpointermove = (event) => {
    const what = thingAt(event);
    rings.hover.setAttribute("visibility", "hidden");
    marks.hover.setAttribute("visibility", "hidden");
    if (what?.qubit !== undefined) around(rings.hover, what.qubit);
    if (what?.coupler !== undefined) along(marks.hover, what.coupler);
    picture.style.cursor = what ? "pointer" : "";
    say(what);
  };
  picture.onpointerleave = () => {
    rings.hover.setAttribute("visibility", "hidden");
    marks.hover.setAttribute("visibility", "hidden");
    say(null);
  };
  picture.onclick = (event) => {
    const what = thingAt(event);
    if (!what) return;
    for (const [key, value] of Object.entries(what)) model.set(key, value);
    model.save_changes();
    draw();
    say(what);
  };

  rings.hover.setAttribute("visibility", "hidden");
  marks.hover.setAttribute("visibility", "hidden");
  const heard = ["spins", "biases", "couplings", "qubit", "coupler", "alt"];
  for (const name of heard) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of heard) model.off(`change:${name}`, draw); };
}

export default { render };
