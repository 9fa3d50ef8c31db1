// A board of cells to click, or to paint over with the pointer pressed.  No dependency.
//
// The board answers by itself while a stroke goes on; Python hears of it once, at its end.

const SIDE = 28; // pixels of the picture below a mask
const WORDS = { spins: ["+1", "−1"], mask: ["known", "unknown"] }; // of true and false
const HINTS = {
  spins: "Click a spin to flip it, or paint over several.",
  mask: "Paint what is known; paint again to hide it.",
};

const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);

function render({ model, el }) {
  const rows = model.get("rows"), columns = model.get("columns"), kind = model.get("kind");
  const [on, off] = WORDS[kind];
  let values = [...model.get("values")];
  let at = 0; // the one cell that the Tab key reaches
  let stroke = null; // { value, cell }: what is painted, and where the pointer was last
  let strokeEnded = -Infinity;

  const frame = make("div", { className: `frame ${kind}` });
  frame.style.setProperty("--columns", columns);
  frame.style.setProperty("--rows", rows);
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  canvas.setAttribute("aria-hidden", "true");
  const grid = make("div", { className: "cells" });
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", model.get("label"));
  grid.dataset.lmSuppressShortcuts = "true"; // arrow keys are ours, not the notebook's
  const told = make("div", { className: "told" }); // for eyes: buttons say the same by name
  told.setAttribute("aria-hidden", "true");
  const cells = model.get("names").map(() => make("button", { type: "button" }));
  grid.append(...cells);
  frame.append(...(kind === "mask" ? [canvas] : []), grid);
  el.append(frame, told);

  const nameOf = (i) => {
    const before = model.get("before"), turned = before.length && before[i] !== values[i];
    return `${model.get("names")[i]}: ${values[i] ? on : off}${turned ? ", flipped" : ""}`;
  };
  const tell = (i) => { told.textContent = i === null ? HINTS[kind] : nameOf(i); };

  function show(i) {
    const before = model.get("before");
    cells[i].setAttribute("aria-pressed", values[i]);
    cells[i].setAttribute("aria-label", nameOf(i));
    cells[i].classList.toggle("turned", before.length > 0 && before[i] !== values[i]);
    cells[i].tabIndex = i === at ? 0 : -1;
  }
  function put(i, value) {
    if (values[i] === value) return;
    values[i] = value;
    show(i);
  }
  function send() {
    model.set("values", [...values]);
    model.save_changes();
  }
  function goTo(i, focus = true) {
    const left = at;
    at = i;
    show(left);
    show(at);
    if (focus) cells[at].focus({ preventScroll: true });
    tell(at);
  }
  function cellAt(event) {
    const area = grid.getBoundingClientRect();
    const place = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
    return columns * place((event.clientY - area.top) / area.height, rows)
      + place((event.clientX - area.left) / area.width, columns);
  }
  // A fast pointer jumps: the cells between two of its places belong to the stroke, too.
  function paintTo(to) {
    const [r0, c0] = [Math.floor(stroke.cell / columns), stroke.cell % columns];
    const [r1, c1] = [Math.floor(to / columns), to % columns];
    const steps = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0));
    for (let k = 1; k <= steps; k++) {
      const row = Math.round(r0 + (r1 - r0) * k / steps);
      put(columns * row + Math.round(c0 + (c1 - c0) * k / steps), stroke.value);
    }
    stroke.cell = to;
  }
  function endStroke(event) {
    if (!stroke) return;
    stroke = null;
    strokeEnded = event.timeStamp;
    send();
  }

  grid.onpointerdown = (event) => {
    if (event.button !== 0 || stroke) return;
    event.preventDefault();
    const cell = cellAt(event);
    stroke = { value: !values[cell], cell };
    put(cell, stroke.value);
    goTo(cell);
    grid.setPointerCapture(event.pointerId);
  };
  grid.onpointermove = (event) => {
    const cell = cellAt(event);
    if (stroke) paintTo(cell);
    tell(cell);
  };
  grid.onpointerup = grid.onpointercancel = grid.onlostpointercapture = endStroke;
  grid.onpointerleave = () => { if (!stroke) tell(null); };
  // Space, Enter and screen readers click without a pointer; after a stroke comes a click, too.
  grid.onclick = (event) => {
    const cell = cells.indexOf(event.target.closest("button"));
    if (cell < 0 || (event.detail > 0 && event.timeStamp - strokeEnded < 400)) return;
    put(cell, !values[cell]);
    goTo(cell);
    send();
  };
  grid.onkeydown = (event) => {
    const row = Math.floor(at / columns), column = at % columns;
    const to = {
      ArrowLeft: column > 0 && at - 1,
      ArrowRight: column < columns - 1 && at + 1,
      ArrowUp: row > 0 && at - columns,
      ArrowDown: row < rows - 1 && at + columns,
      Home: row * columns,
      End: (row + 1) * columns - 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (to !== false) goTo(to);
  };
  grid.onfocusin = (event) => {
    const cell = cells.indexOf(event.target);
    if (cell >= 0 && cell !== at) goTo(cell, false);
    tell(at);
  };
  grid.onfocusout = () => tell(null);

  function redraw() {
    if (stroke) return; // the hand has the last word
    values = [...model.get("values")];
    cells.forEach((_, i) => show(i));
  }
  function drawPicture() {
    const bytes = model.get("picture");
    const context = canvas.getContext("2d"), pixels = context.createImageData(SIDE, SIDE);
    for (let p = 0; p < SIDE * SIDE; p++) {
      const ink = bytes.byteLength === SIDE * SIDE ? bytes.getUint8(p) : 0;
      pixels.data.fill(255 - ink, 4 * p, 4 * p + 3);
      pixels.data[4 * p + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  }

  model.on("change:values", redraw);
  model.on("change:before", redraw);
  model.on("change:picture", drawPicture);
  redraw();
  drawPicture();
  tell(null);
  return () => {
    model.off("change:values", redraw);
    model.off("change:before", redraw);
    model.off("change:picture", drawPicture);
  };
}

export default { render };
