/* The stage: a trained model alive in the browser.

One module, no dependency, no build step.  A picture goes through the encoder, becomes spins on the
chip's graph, and comes back through the decoder; a Gibbs sampler draws new spins from the prior.
All is computed here, from the file that `stage_bytes` of Python writes.

It serves three homes: a page (`mount(element, bytes)`), notebooks and the studio (`export default`,
which anywidget calls), and tests, which reach the arithmetic by `element.stage`.

Signs as in Python: E(s) = sum_i h_i s_i + sum_ij J_ij s_i s_j, p(s) ~ exp(-beta E(s)), and a logit
l means P(s = +1) = 1 / (1 + exp(-l)).  A picture is 784 numbers from 0 (paper) to 1 (ink). */

// ------------------------------------------------------------------------------- reading a file

const TYPES = { F32: Float32Array, I32: Int32Array, I8: Int8Array, U8: Uint8Array };
const FORMAT = "qdvae-stage/1";
const MOST_QUBITS = 10000;

function damaged(why) {
  throw new Error(`This stage file is damaged: ${why}.`);
}

/* A safetensors file: the length of the header, the header (JSON), then the tensors. */
export function readFile(bytes) {
  if (bytes.byteLength < 8) damaged("it is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (!(length > 0 && length <= bytes.byteLength - 8)) damaged("its header is longer than the file");
  let header, about;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    about = JSON.parse(header.__metadata__.qdvae);
  } catch {
    damaged("its header cannot be read");
  }
  if (about?.format !== FORMAT) throw new Error(`This is no stage file of the format ${FORMAT}.`);
  const tensors = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: [from, to] } = entry;
    const wanted = shape.reduce((all, one) => all * one, TYPES[dtype]?.BYTES_PER_ELEMENT);
    if (!(Number.isInteger(from) && from >= 0 && to - from === wanted
      && 8 + length + to <= bytes.byteLength)) damaged(`${name} is cut off, or of an unknown type`);
    // A copy, because a typed array must begin at a multiple of its width.
    const raw = bytes.slice(8 + length + from, 8 + length + to);
    tensors[name] = Object.assign(new TYPES[dtype](raw.buffer), { shape });
  }
  return { about, tensors };
}

// ----------------------------------------------------------------------------------- arithmetic

/* The error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26). */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
    + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x);
  return x < 0 ? tail - 1 : 1 - tail;
}
const gelu = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/* Dense layers with a GELU between each two; whole numbers of 8 bits times a scale for each row. */
export class Network {
  constructor(tensors, name) {
    this.layers = [];
    for (let k = 0; tensors[`${name}.${k}.weight`]; k++) {
      const [weight, scale, bias] = ["weight", "scale", "bias"]
        .map((part) => tensors[`${name}.${k}.${part}`]);
      this.layers.push({ weight, scale, bias, rows: weight.shape[0], columns: weight.shape[1] });
    }
    this.between = this.layers.map((layer) => new Float32Array(layer.rows));
  }

  /* What the last layer says of `x`; the array is used again by the next call. */
  run(x, from = 0, rowsOfLast = null) {
    for (let k = from; k < this.layers.length; k++) {
      const last = k === this.layers.length - 1;
      x = this.layer(k, x, last ? rowsOfLast : null);
      if (!last) for (let r = 0; r < x.length; r++) x[r] = gelu(x[r]);
    }
    return x;
  }

  /* One layer without its GELU; of `rows` only, where these are named. */
  layer(k, x, rows = null) {
    const { weight, scale, bias, rows: all, columns } = this.layers[k];
    const out = this.between[k];
    const n = rows ? rows.length : all;
    for (let j = 0; j < n; j++) {
      const r = rows ? rows[j] : j;
      let sum = 0;
      for (let c = 0, w = r * columns; c < columns; c++, w++) sum += weight[w] * x[c];
      out[r] = sum * scale[r] + bias[r];
    }
    return out;
  }
}

/* Random numbers in [0, 1): sfc32 (Chris Doty-Humphrey's PractRand). */
export function randomNumbers(seed) {
  let a = 0x9e3779b9, b = 0x243f6a88, c = seed | 0, d = 1;
  const next = () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let k = 0; k < 15; k++) next();
  return next;
}

/* The Boltzmann machine: fields of each class, couplings as lists of neighbours. */
export class Prior {
  constructor(about, tensors) {
    const { linear, quadratic, edges, class_biases: biases, shares, order } = tensors;
    this.n = linear.length;
    this.edges = edges;
    this.quadratic = quadratic;
    this.names = about.classes;
    this.shares = shares || new Float32Array([1]);
    this.classes = this.shares.length;
    this.order = order; // colour by colour: a sweep in this order is a sweep of block Gibbs
    this.fields = new Float32Array(this.classes * this.n);
    for (let y = 0; y < this.classes; y++)
      for (let i = 0; i < this.n; i++)
        this.fields[y * this.n + i] = linear[i] + (biases ? biases[y * this.n + i] : 0);
    this.first = new Int32Array(this.n + 1);
    for (const i of edges) this.first[i + 1]++;
    for (let i = 0; i < this.n; i++) this.first[i + 1] += this.first[i];
    const place = this.first.slice();
    this.neighbour = new Int32Array(edges.length);
    this.coupling = new Float32Array(edges.length);
    for (let e = 0; e < quadratic.length; e++) {
      const [i, j] = [edges[2 * e], edges[2 * e + 1]];
      this.neighbour[place[i]] = j;
      this.coupling[place[i]++] = quadratic[e];
      this.neighbour[place[j]] = i;
      this.coupling[place[j]++] = quadratic[e];
    }
  }

  /* Classes with this name; all without one. */
  named(wish) {
    const all = [...this.shares.keys()];
    return wish ? all.filter((y) => this.names[y] === wish) : all;
  }

  /* A class by its share, among those of a wish. */
  draw(random, wish = "") {
    const among = this.named(wish);
    let rest = random() * among.reduce((sum, y) => sum + this.shares[y], 0);
    for (const y of among) if ((rest -= this.shares[y]) < 0) return y;
    return among[among.length - 1];
  }

  /* `n` classes as frequent as the shares say, each within one of its due; in order. */
  spread(n, random, wish = "") {
    const among = this.named(wish);
    const total = among.reduce((sum, y) => sum + this.shares[y], 0);
    const offset = random();
    const found = [];
    let [k, sum] = [0, this.shares[among[0]]];
    for (let j = 0; j < n; j++) {
      while (k < among.length - 1 && sum <= ((j + offset) / n) * total) sum += this.shares[among[++k]];
      found.push(among[k]);
    }
    return found;
  }

  /* What the others and its bias do to spin `i`: its energy is s_i times this. */
  force(spins, i, y, coupled = true) {
    let force = this.fields[y * this.n + i];
    if (coupled)
      for (let k = this.first[i]; k < this.first[i + 1]; k++)
        force += this.coupling[k] * spins[this.neighbour[k]];
    return force;
  }

  energy(spins, y, coupled = true) {
    let energy = 0;
    for (let i = 0; i < this.n; i++) energy += this.fields[y * this.n + i] * spins[i];
    if (coupled)
      for (let e = 0; e < this.quadratic.length; e++)
        energy += this.quadratic[e] * spins[this.edges[2 * e]] * spins[this.edges[2 * e + 1]];
    return energy;
  }
}

/* One string of spins that walks towards exp(-beta E). */
export class Chain {
  constructor(prior, random) {
    this.prior = prior;
    this.random = random;
    this.spins = new Int8Array(prior.n);
    this.held = new Uint8Array(prior.n);
    this.coupled = true;
    this.restart(0);
  }

  restart(y) {
    this.y = y;
    for (let i = 0; i < this.spins.length; i++)
      if (!this.held[i]) this.spins[i] = this.random() < 0.5 ? 1 : -1;
  }

  /* Each spin once, given all others: detailed balance holds for every single draw. */
  sweep(beta) {
    const { spins, held, random, y, coupled } = this;
    // Prior.force written out, since nearly all of the time is spent here.
    const { order, fields, first, neighbour, coupling, n } = this.prior;
    for (let k = 0; k < n; k++) {
      const i = order[k];
      if (held[i]) continue;
      let force = fields[y * n + i];
      if (coupled)
        for (let at = first[i], end = first[i + 1]; at < end; at++)
          force += coupling[at] * spins[neighbour[at]];
      spins[i] = random() < 1 / (1 + Math.exp(2 * beta * force)) ? 1 : -1;
    }
  }

  /* From random spins to the inverse temperature `beta`: cooled for four fifths of the sweeps. */
  anneal(sweeps, beta = 1) {
    const cooling = Math.floor(0.8 * sweeps);
    for (let k = 0; k < sweeps; k++) this.sweep(k < cooling ? (beta * k) / cooling : beta);
  }

  get energy() {
    return this.prior.energy(this.spins, this.y, this.coupled);
  }
}

/* How far apart neighbouring places lie, typically, in parts of the whole. */
function spacingOf(places) {
  const nearest = [];
  for (let i = 0; i < places.length; i += 2) {
    let best = Infinity;
    for (let j = 0; j < places.length; j += 2)
      if (i !== j) best = Math.min(best, Math.hypot(places[i] - places[j], places[i + 1] - places[j + 1]));
    nearest.push(best);
  }
  return nearest.sort((a, b) => a - b)[nearest.length >> 1];
}

/* The parts of a file must be there and fit each other. */
function requireWhole(about, tensors) {
  const lengths = { linear: 1, order: 1, qubits: 1, places: 2 };
  const n = tensors.linear?.length;
  if (!(n > 0 && n <= MOST_QUBITS)) damaged(`it has ${n ?? "no"} qubits`);
  for (const [name, each] of Object.entries(lengths))
    if (tensors[name]?.length !== each * n) damaged(`${name} does not fit ${n} qubits`);
  if (!tensors.edges || tensors.edges.length !== 2 * tensors.quadratic?.length
    || tensors.edges.some((i) => !(i >= 0 && i < n))) damaged("its couplers do not fit");
  if (new Set(tensors.order).size !== n || tensors.order.some((i) => !(i >= 0 && i < n)))
    damaged("its order of qubits is none");
  const classes = tensors.shares?.length;
  if (tensors.class_biases && tensors.class_biases.length !== classes * n)
    damaged("biases and shares of classes do not fit");
  for (const [name, first, last] of [["encoder", 784, n], ["decoder", n, 784]]) {
    let width = first;
    for (let k = 0; tensors[`${name}.${k}.weight`]; k++) {
      const [rows, columns] = tensors[`${name}.${k}.weight`].shape;
      if (columns !== width || tensors[`${name}.${k}.scale`]?.length !== rows
        || tensors[`${name}.${k}.bias`]?.length !== rows) damaged(`layer ${k} of the ${name} does not fit`);
      width = rows;
    }
    if (width !== last || !tensors[`${name}.0.weight`]) damaged(`the ${name} ends in ${width} numbers`);
  }
  if (!Array.isArray(about.examples) || (tensors.examples?.length ?? 0) !== 784 * about.examples.length)
    damaged("its pictures do not fit");
}

/* The whole model: networks, prior, places of the qubits, some pictures to begin with. */
export class Model {
  constructor(bytes) {
    const { about, tensors } = readFile(bytes);
    requireWhole(about, tensors);
    this.about = about;
    this.encoder = new Network(tensors, "encoder");
    this.decoder = new Network(tensors, "decoder");
    this.prior = new Prior(about, tensors);
    this.places = tensors.places;
    this.spacing = spacingOf(this.places);
    this.qubits = tensors.qubits;
    this.examples = [];
    for (let k = 0; k < about.examples.length; k++)
      this.examples.push(Float32Array.from(tensors.examples.subarray(784 * k, 784 * k + 784),
        (v) => v / 255));
  }

  /* Logits of the spins. */
  encode(image) {
    return this.encoder.run(image);
  }

  /* A picture: the mean brightness of each pixel. */
  decode(spins, out = new Float32Array(784)) {
    const logits = this.decoder.run(spins);
    for (let p = 0; p < 784; p++) out[p] = sigmoid(logits[p]);
    return out;
  }

  /* Pictures as the stage makes them when it is watched, in one array; classes as Python's
     `generate` spreads them. */
  generate(n, { seed = 0, sweeps = WATCH.sweeps, beta = 1, coupled = true, wish = "" } = {}) {
    const random = randomNumbers(seed);
    const chain = new Chain(this.prior, random);
    chain.coupled = coupled;
    const images = new Float32Array(784 * n);
    const classes = this.prior.spread(n, random, wish);
    for (let k = 0; k < n; k++) {
      chain.restart(classes[k]);
      chain.anneal(sweeps, beta);
      this.decode(chain.spins, images.subarray(784 * k, 784 * k + 784));
    }
    return images;
  }

  /* Reconstruction loss in nats: each pixel is black or white by chance of its brightness. */
  nats(image, spins) {
    const logits = this.decoder.run(spins);
    let sum = 0;
    for (let p = 0; p < 784; p++) sum += softplus(logits[p]) - image[p] * logits[p];
    return sum;
  }
}

/* Spins that agree with known pixels: Gibbs steps, spin by spin, towards exp(-beta E(s)) p(known | s). */
export class Completion {
  constructor(model, chain, image, known) {
    Object.assign(this, { model, chain, image, known, next: 0 });
    this.rows = known.reduce((rows, k, p) => (k ? [...rows, p] : rows), []);
    this.refresh();
  }

  /* After spins were changed from outside. */
  refresh() {
    this.first = this.model.decoder.layer(0, this.chain.spins).slice();
    this.misfit = this.misfitOf(this.first);
  }

  misfitOf(first) {
    const { decoder } = this.model;
    const logits = decoder.run(first.map(gelu), 1, this.rows);
    let sum = 0;
    for (const p of this.rows) sum += softplus(logits[p]) - this.image[p] * logits[p];
    return sum;
  }

  /* Ask one spin whether it turns round. */
  step(beta) {
    const { chain, model } = this;
    const i = chain.prior.order[this.next];
    this.next = (this.next + 1) % chain.prior.n;
    if (chain.held[i]) return;
    const { weight, scale, rows, columns } = model.decoder.layers[0];
    const turned = this.first.slice();
    for (let r = 0; r < rows; r++) turned[r] -= 2 * chain.spins[i] * weight[r * columns + i] * scale[r];
    const misfit = this.misfitOf(turned);
    const force = chain.prior.force(chain.spins, i, chain.y, chain.coupled);
    const gain = beta * 2 * chain.spins[i] * force + this.misfit - misfit;
    // The rule of Gibbs sampling: always accepting a gain could turn an idle spin for ever.
    if (chain.random() < sigmoid(gain)) {
      chain.spins[i] = -chain.spins[i];
      this.first = turned;
      this.misfit = misfit;
    }
  }
}

// --------------------------------------------------------------------------------- what is shown

const SIDE = 28;
const WALL = 4; // pictures a side where many are shown
/* Sweeps of one new picture, and in how many frames they are done at speed 1. */
const WATCH = { sweeps: 400, frames: 100, rest: 70, encode: 80 };
const COMPARE = { frames: 80, rest: 100 };
const WORK_MS = 6; // of one frame at most, where work can wait
const SLOW_MS = 9;

const MODES = {
  watch: ["Watch", "new pictures come out of the prior"],
  encode: ["Encode", "draw or choose a picture, see its spins"],
  steer: ["Steer", "wish for a class, hold qubits, complete half a picture"],
  compare: ["Compare", "with the couplings, and with them taken away"],
};

/* Hover texts; `{n}` and the like are filled from the model. */
const TIPS = {
  encoder: "The encoder: a network that gives each of {n} spins a probability to be +1. "
    + "The spins are then drawn by chance.",
  chip: "{n} spins, one per qubit, at their places in the {graph} graph of a QPU; {m} couplers join "
    + "them. A Gibbs sampler in your browser draws them: classical, no QPU is asked. Arrow keys go to "
    + "a qubit, Enter turns its spin round, H holds it.",
  decoder: "The decoder: a network that turns {n} spins into the brightness of each pixel.",
  reconstruction: "Reconstruction loss: how badly the output foretells the input, in nats. "
    + "It trains encoder and decoder.",
  kl: "KL divergence: how far the encoder's spins for a picture lie from the prior. It keeps the "
    + "two close, so that strings of the prior are strings that the decoder knows.",
  mmd: "Maximum mean discrepancy: how different the encoder's strings and the prior's are as two "
    + "heaps of samples. It keeps the two close.",
  nll: "Negative log-likelihood: how improbable the prior finds the encoder's strings. It trains "
    + "biases and couplings; its gradient needs samples, which a QPU could draw.",
};

const THEMES = {
  light: { paper: [255, 255, 255], ink: [22, 24, 35], up: "#1a7fc1", down: "#e69f00",
    rim: "#30343f", agree: "18,145,90", differ: "137,66,185", text: "#555b66", held: "#000000" },
  dark: { paper: [16, 19, 28], ink: [240, 243, 250], up: "#56b4e9", down: "#e69f00",
    rim: "#c9d1e0", agree: "70,200,150", differ: "190,135,240", text: "#a9b1bf", held: "#ffffff" },
};

const STYLE = `
.qs { --bg:#f6f7fa; --card:#fff; --fg:#1b1f28; --soft:#555b66; --line:#d4d8e0; --accent:#0072b2;
  --up:#1a7fc1; --down:#e69f00;
  container-type:inline-size; box-sizing:border-box; width:100%; max-width:1240px; margin:0 auto;
  background:var(--bg); color:var(--fg); border:1px solid var(--line); border-radius:14px;
  padding:12px 14px; font:14px/1.4 system-ui,-apple-system,"Segoe UI",sans-serif }
.qs.dark { --bg:#0d1017; --card:#10131c; --fg:#eef1f7; --soft:#a9b1bf; --line:#2b3140;
  --accent:#56b4e9; --up:#56b4e9 }
.qs *, .qs *::before { box-sizing:border-box }
.qs-bar { display:flex; flex-wrap:wrap; gap:6px 14px; align-items:center; justify-content:space-between }
.qs-modes { display:flex; flex-wrap:wrap; gap:4px; border:0; margin:0; padding:0 }
.qs button, .qs select { font:inherit; color:var(--fg); background:var(--card);
  border:1px solid var(--line); border-radius:8px; padding:4px 10px; min-height:32px; cursor:pointer }
.qs button:hover { border-color:var(--accent) }
.qs button[aria-pressed=true] { background:var(--accent); border-color:var(--accent); color:#fff;
  font-weight:600 }
.qs.dark button[aria-pressed=true] { color:#06121b }
.qs :focus-visible { outline:2px solid var(--accent); outline-offset:2px }
.qs-title { color:var(--soft); font-size:12.5px }
.qs-main { display:grid; grid-template-columns:minmax(0,1fr) 58px minmax(0,1.8fr) 58px minmax(0,1fr);
  grid-template-areas:"in enc chip dec out" "loss loss loss loss loss"; align-items:center;
  gap:4px 8px; margin-top:8px }
.qs figure { margin:0; min-width:0 }
.qs figcaption { color:var(--soft); font-size:12.5px; text-align:center; min-height:2.8em; margin-top:4px }
.qs canvas { display:block; width:100%; border-radius:8px; background:var(--card);
  border:1px solid var(--line); touch-action:manipulation }
.qs-in { grid-area:in } .qs-out { grid-area:out } .qs-chip { grid-area:chip }
.qs-in canvas.draws { cursor:crosshair; touch-action:none }
.qs-chip canvas { aspect-ratio:1.28; border:0; background:none; cursor:pointer }
.qs-way { text-align:center; color:var(--soft); font-size:12px }
.qs-enc { grid-area:enc } .qs-dec { grid-area:dec }
.qs-way svg { display:block; width:100%; height:26px; overflow:visible }
.qs-way path { stroke:var(--soft); stroke-width:2; fill:none; stroke-dasharray:5 5 }
.qs-way polygon { fill:var(--soft) }
.qs-way.flows path { stroke:var(--accent); animation:qs-flow .7s linear infinite }
.qs-way.flows polygon { fill:var(--accent) }
.qs-way.off svg { opacity:.25 }
@keyframes qs-flow { to { stroke-dashoffset:-20 } }
.qs-losses { grid-area:loss; display:grid; grid-template-columns:1fr 1fr 1fr; gap:8px; text-align:center }
.qs-loss { border-top:2px solid var(--line); padding-top:4px; font-size:12.5px; color:var(--soft) }
.qs-loss b { color:var(--fg); font-weight:600 }
.qs-tools { display:flex; flex-wrap:wrap; gap:8px 14px; align-items:end; margin-top:8px }
.qs-tools label { display:flex; flex-direction:column; gap:2px; font-size:12.5px; color:var(--soft) }
.qs-tools input[type=range] { width:130px; accent-color:var(--accent); height:24px }
.qs-tools [hidden], .qs [hidden] { display:none !important }
.qs-strip { display:flex; gap:4px; overflow-x:auto; padding:2px }
.qs-strip button { padding:0; width:38px; height:38px; min-height:0; flex:none; line-height:0; overflow:hidden }
.qs-strip canvas { border:0; border-radius:0 }
.qs-foot { display:grid; grid-template-columns:minmax(0,1fr) minmax(0,260px); gap:14px; align-items:center;
  margin-top:8px }
.qs-say { min-height:2.8em; font-size:13.5px; margin:0 }
.qs-key { display:flex; flex-wrap:wrap; gap:2px 12px; justify-content:center; font-size:12px; color:var(--soft) }
.qs-key i { display:inline-block; width:10px; height:10px; border-radius:50%; margin-right:4px;
  border:1px solid var(--soft) }
.qs-key s { display:inline-block; width:16px; height:3px; margin:0 4px 3px 0; border-radius:2px }
.qs-trace canvas { height:46px; border:0; background:none }
@container (max-width:760px) {
  .qs-main { grid-template-columns:minmax(0,1fr) 52px minmax(0,1fr);
    grid-template-areas:"in dec out" "chip chip chip" "loss loss loss" }
  .qs-enc { display:none }
  .qs-loss { font-size:11.5px }
  .qs-foot { grid-template-columns:minmax(0,1fr) }
  .qs-tools input[type=range] { width:108px }
}
@media (prefers-reduced-motion:reduce) { .qs-way.flows path { animation:none } }
`;

/* An element with attributes (functions are listeners) and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/* Whether the page around an element is dark: by the first background that is not transparent. */
function isDark(element) {
  for (let at = element.parentElement; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!colour.startsWith("rgb")) continue;
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    if (a > 0.5) return 0.299 * r + 0.587 * g + 0.114 * b < 128;
  }
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/* Pictures on a canvas, `side` of them in a row, in the colours of the theme. */
function paint(canvas, images, theme, side = 1, known = null) {
  const width = side * (SIDE + (side > 1 ? 2 : 0));
  if (canvas.width !== width) canvas.width = canvas.height = width;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, width);
  const { paper, ink } = theme;
  for (let p = 0; p < width * width; p++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * p + c] = paper[c];
    pixels.data[4 * p + 3] = 255;
  }
  images.slice(0, side * side).forEach((image, k) => {
    if (!image) return;
    const step = width / side;
    const left = (k % side) * step + (side > 1 ? 1 : 0);
    const top = Math.floor(k / side) * step + (side > 1 ? 1 : 0);
    for (let p = 0; p < SIDE * SIDE; p++) {
      const at = 4 * ((top + Math.floor(p / SIDE)) * width + left + (p % SIDE));
      // What is not known lies under a veil.
      const veil = known && !known[p] ? 0.22 : 0;
      for (let c = 0; c < 3; c++)
        pixels.data[at + c] = paper[c] + (ink[c] - paper[c]) * Math.max(veil, known && veil ? 0 : image[p]);
    }
  });
  context.putImageData(pixels, 0, 0);
}

let stages = 0; // of this page, for names that must differ

export class Stage {
  constructor(element, bytes, options = {}) {
    this.element = element;
    this.model = new Model(bytes);
    this.listeners = {};
    this.state = { mode: "watch", speed: 1, temperature: 1, coupled: true, wish: "", playing: true,
      ...options.state };
    this.random = randomNumbers(options.seed ?? (Math.random() * 2 ** 31) | 0);
    this.chain = new Chain(this.model.prior, this.random);
    this.image = Float32Array.from(this.model.examples[0] || new Float32Array(784));
    this.known = null; // of the picture, where a part is to be completed
    this.output = new Float32Array(784);
    this.past = []; // pictures that were made
    this.trace = []; // energies
    this.flash = new Float32Array(this.model.prior.n); // of qubits that have just turned round
    this.cursor = -1;
    this.frameWork = []; // milliseconds of the last frames
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    if (this.still.matches) this.state.playing = false;
    this.build();
    this.follow();
    this.enter(this.state.mode);
    this.draw();
    this.loop();
  }

  /* Call `listener(value)` when `event` happens: image, spins, mode, wish, and the like. */
  on(event, listener) {
    (this.listeners[event] ||= []).push(listener);
  }

  tell(event, value) {
    for (const listener of this.listeners[event] || []) listener(value);
  }

  // ------------------------------------------------------------------------------------ the parts

  build() {
    const id = `qs${++stages}`;
    const { model, state } = this;
    const fill = (text) => text.replace("{n}", model.prior.n.toLocaleString("en"))
      .replace("{graph}", model.about.graph).replace("{m}", model.prior.quadratic.length.toLocaleString("en"));
    this.root = make("section", { class: "qs", "aria-label": "The model, alive" });
    const tips = (element, name) => {
      const tip = fill(TIPS[name]);
      element.title = tip;
      const begin = () => { this.tip = tip; this.say(tip); };
      const end = () => { this.tip = null; this.explain(); };
      for (const event of ["pointerenter", "focus"]) element.addEventListener(event, begin);
      for (const event of ["pointerleave", "blur"]) element.addEventListener(event, end);
      return element;
    };
    const canvas = (label, more = {}) => make("canvas", { role: "img", "aria-label": label, ...more });
    const figure = (name, shown, ...more) => make("figure", { class: `qs-${name}` }, shown, ...more);

    this.modes = Object.entries(MODES).map(([mode, [name, what]]) =>
      make("button", { type: "button", title: what, "aria-pressed": "false", "data-mode": mode,
        click: () => this.enter(mode) }, name));
    this.input = canvas("The picture that goes in");
    this.inputText = make("figcaption");
    this.outputCanvas = canvas("The picture that comes out");
    this.outputText = make("figcaption");
    const help = make("span", { id: `${id}-chip`, hidden: true }, fill(TIPS.chip));
    this.chip = canvas(fill("Chip with {n} qubits"), { role: "application", tabindex: 0,
      "aria-describedby": `${id}-chip`, focus: () => this.cursor < 0 && this.say(fill(TIPS.chip)) });
    const line = (text) => make("span", {}, make("s"), text);
    const key = make("div", { class: "qs-key" },
      make("span", {}, make("i", { style: "background:var(--up)" }), "spin +1"),
      make("span", {}, make("i", { style: "background:var(--down)" }), "spin −1"),
      line("coupler: wants spins alike"), line("wants them different"));
    [this.agreeKey, this.differKey] = key.querySelectorAll("s");
    const way = (name, label) => {
      const part = tips(make("div", { class: `qs-way qs-${name}`, tabindex: 0 }), label);
      part.innerHTML = '<svg viewBox="0 0 60 26" aria-hidden="true"><path d="M2 13H48"/>'
        + '<polygon points="46,7 58,13 46,19"/></svg>';
      part.append(label);
      return part;
    };
    this.encoderWay = way("enc", "encoder");
    this.decoderWay = way("dec", "decoder");
    const mmd = model.about.recipe === "mmd";
    const loss = (name, title, where) => tips(
      make("div", { class: "qs-loss", tabindex: 0 }, make("b", {}, title), ` ${where}`), name);
    this.lossText = make("span");
    const reconstruction = loss("reconstruction", "Reconstruction:", "output against input ");
    reconstruction.append(this.lossText);
    const losses = make("div", { class: "qs-losses" }, reconstruction,
      mmd ? loss("mmd", "MMD:", "encoder's strings against the prior's")
        : loss("kl", "KL:", "encoder's spins against the prior"),
      loss("nll", "NLL:", "the prior learns the encoder's strings"));

    const button = (text, click, more = {}) => make("button", { type: "button", click, ...more }, text);
    const slider = (name, label, low, high, step, show) => {
      const text = make("span", {}, "");
      const range = make("input", { type: "range", min: low, max: high, step, value: state[name],
        "aria-label": label, input: () => this.set(name, Number(range.value)) });
      const part = make("label", {}, text, range);
      this.controls[name] = () => {
        range.value = state[name];
        text.textContent = `${label} ${show(state[name])}`;
        range.setAttribute("aria-valuetext", show(state[name]));
      };
      return part;
    };
    this.controls = {};
    this.play = button("Pause", () => this.set("playing", !state.playing));
    this.controls.playing = () => { this.play.textContent = state.playing ? "Pause" : "Play"; };
    const names = [...new Set(model.about.wishes || [])];
    this.wish = make("select", { "aria-label": "wish", change: () => this.set("wish", this.wish.value) },
      make("option", { value: "" }, "any"), ...names.map((name) => make("option", { value: name }, name)));
    const wishes = make("label", {}, "wish", this.wish);
    wishes.hidden = !names.length;
    this.controls.wish = () => { this.wish.value = state.wish; };
    this.couplings = button("couplings", () => this.set("coupled", !state.coupled));
    this.controls.coupled = () => this.couplings.setAttribute("aria-pressed", state.coupled);
    const half = (text, rule) => button(text, (event) => {
      for (const one of this.halves.children) one.setAttribute("aria-pressed", one === event.target);
      this.know(rule);
    }, { "aria-pressed": String(!rule) });
    this.halves = make("div", { class: "qs-modes", role: "group", "aria-label": "what is known of the picture" },
      half("know nothing", null), half("know the upper half", (row) => row < 14),
      half("know the left half", (row, column) => column < 14));
    this.free = button("Free all qubits", () => { this.chain.held.fill(0); this.draw(); });
    this.clear = button("Empty picture", () => this.setImage(new Float32Array(784)));
    this.restartButton = button("Restart", () => this.restart());
    this.strip = make("div", { class: "qs-strip", role: "group", "aria-label": "pictures to choose from" },
      ...model.examples.map((example, k) => {
        const small = canvas("", { role: "presentation" });
        small.removeAttribute("aria-label");
        return button("", () => this.setImage(example), { "aria-label":
          `picture ${k + 1}: ${model.about.examples[k]}` }).appendChild(small).parentElement;
      }));
    this.tools = make("div", { class: "qs-tools" }, this.play, this.restartButton,
      slider("speed", "speed", 0.25, 4, 0.25, (v) => `× ${v}`),
      slider("temperature", "temperature", 0.25, 3, 0.05, (v) => v.toFixed(2)),
      wishes, this.couplings, this.halves, this.free, this.clear, this.strip);

    this.words = make("p", { class: "qs-say", role: "status", "aria-live": "polite" });
    this.traceCanvas = canvas("Energy of the spins on the chip over time");
    this.traceText = make("span", { class: "qs-title" });
    this.root.append(make("style", {}, STYLE),
      make("div", { class: "qs-bar" },
        make("div", { class: "qs-modes", role: "group", "aria-label": "what to do" }, ...this.modes),
        key),
      make("div", { class: "qs-main", id },
        figure("in", this.input, this.inputText), this.encoderWay,
        figure("chip", this.chip, help), this.decoderWay,
        figure("out", this.outputCanvas, this.outputText), losses),
      this.tools,
      make("div", { class: "qs-foot" }, this.words,
        make("div", { class: "qs-trace" }, this.traceCanvas, this.traceText)),
      make("div", { class: "qs-title" }, model.about.caption));
    this.element.replaceChildren(this.root);
    this.element.stage = this;
    for (const name of Object.keys(this.controls)) this.controls[name]();
    // JupyterLab would take the arrow keys for its cells.
    for (const one of this.root.querySelectorAll("button, select, input, [tabindex]"))
      one.dataset.lmSuppressShortcuts = "true";
    this.listenToPicture();
    this.listenToChip();
  }

  /* Follow the size and the theme of the page; `stop` ends it. */
  follow() {
    const theme = () => {
      this.dark = isDark(this.root);
      this.root.classList.toggle("dark", this.dark);
      this.theme = THEMES[this.dark ? "dark" : "light"];
      this.agreeKey.style.background = `rgb(${this.theme.agree})`;
      this.differKey.style.background = `rgb(${this.theme.differ})`;
      this.strip.querySelectorAll("canvas").forEach((small, k) =>
        paint(small, [this.model.examples[k]], this.theme));
      this.edges = null;
      this.draw();
    };
    const size = new ResizeObserver(() => { this.edges = null; this.draw(); });
    size.observe(this.chip);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", theme);
    const page = new MutationObserver(theme); // how JupyterLab, Sphinx and others change theirs
    for (const whole of [document.documentElement, document.body])
      page.observe(whole, { attributes: true,
        attributeFilter: ["class", "style", "theme", "data-theme", "data-jp-theme-light"] });
    const sight = new IntersectionObserver((entries) => { this.hidden = !entries.at(-1).isIntersecting; });
    sight.observe(this.root);
    this.ends = [() => size.disconnect(), () => page.disconnect(), () => sight.disconnect(),
      () => scheme.removeEventListener("change", theme)];
    theme();
  }

  stop() {
    this.stopped = true;
    for (const end of this.ends) end();
    this.element.replaceChildren();
  }

  say(text) {
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  // ----------------------------------------------------------------------------- what people do

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.controls[name]?.();
    this.tell(name, value);
    if (name === "coupled") { this.chain.coupled = this.state.mode === "compare" || value; this.edges = null; this.completion?.refresh(); }
    if (["wish", "coupled", "temperature"].includes(name)) { this.past = []; this.spare = null; }
    if (name === "wish" && this.state.mode !== "encode") this.restart();
    this.draw();
  }

  enter(mode) {
    this.state.mode = mode;
    for (const one of this.modes) one.setAttribute("aria-pressed", one.dataset.mode === mode);
    const only = (part, ...modes) => { part.hidden = !modes.includes(mode); };
    only(this.halves, "steer");
    only(this.free, "steer");
    only(this.clear, "encode", "steer");
    only(this.strip, "encode", "steer");
    only(this.couplings, "watch", "steer");
    only(this.controls_("speed"), "watch", "steer", "compare");
    only(this.controls_("temperature"), "watch", "steer", "compare");
    this.wish.parentElement.hidden = !this.model.about.wishes?.length || mode === "encode";
    this.input.classList.toggle("draws", mode === "encode" || mode === "steer");
    this.known = null;
    this.completion = null;
    [...this.halves.children].forEach((one, k) => one.setAttribute("aria-pressed", k === 0));
    if (mode !== "steer") this.chain.held.fill(0);
    this.trace = [];
    this.tell("mode", mode);
    this.restart();
  }

  controls_(name) {
    return [...this.tools.querySelectorAll("label")].find((one) =>
      one.textContent.startsWith(name));
  }

  /* Begin the present mode anew. */
  restart() {
    const { mode, wish } = this.state;
    this.clock = 0;
    this.phase = "";
    this.pressed = false;
    this.chain.coupled = mode === "compare" || this.state.coupled;
    this.edges = null;
    if (mode === "watch" && !wish) this.nextExample();
    if (mode === "watch" || mode === "steer")
      this.chain.restart(this.model.prior.draw(this.random, wish));
    if (mode === "watch") { this.clock = 1e-6; this.advanceWatch(); } // never without a phase
    if (mode === "encode") this.encodeImage();
    if (mode === "compare") this.restartWalls();
    if (mode === "steer" && this.known) this.complete();
    this.explain();
    this.look();
    this.draw();
  }

  nextExample() {
    const { examples } = this.model;
    this.shownExample = ((this.shownExample ?? -1) + 1) % Math.max(1, examples.length);
    if (examples.length) this.image = Float32Array.from(examples[this.shownExample]);
  }

  /* A picture from outside: of Python, a button, or a hand. */
  setImage(image, told = true) {
    this.image = Float32Array.from(image);
    this.pressed = false;
    if (!["encode", "steer"].includes(this.state.mode)) this.enter("encode");
    this.changedImage(told);
    this.tellAtRest();
  }

  /* Who listens hears of spins as they are drawn anew; a stage at rest draws none, so it says at once. */
  tellAtRest() {
    if (this.state.mode === "encode" && !this.state.playing) this.tell("spins", this.chain.spins);
  }

  changedImage(told = true) {
    this.pressed = false;
    if (this.state.mode === "encode") this.encodeImage();
    if (this.completion) this.stale = true; // completed anew when there is time
    if (this.stale && !this.state.playing) this.complete();
    if (told) this.tell("image", this.image);
    this.look();
    this.draw();
  }

  encodeImage() {
    this.logits = Float32Array.from(this.model.encode(this.image));
    for (let i = 0; i < this.logits.length; i++)
      this.turn(i, this.random() < sigmoid(this.logits[i]) ? 1 : -1);
  }

  /* Which part of the picture is known, by row and column; the rest is to be completed. */
  know(rule) {
    this.known = rule && Uint8Array.from({ length: 784 }, (_, p) =>
      rule(Math.floor(p / SIDE), p % SIDE) ? 1 : 0);
    this.complete();
    this.explain();
    this.look();
    this.draw();
  }

  complete() {
    this.stale = false;
    if (!this.known) { this.completion = null; return; }
    this.chain.restart(this.model.prior.draw(this.random, this.state.wish));
    this.chain.anneal(200, 1 / this.state.temperature);
    this.completion = new Completion(this.model, this.chain, this.image, this.known);
  }

  /* A spin gets a value, and shows it if that is new. */
  turn(i, value) {
    if (this.chain.spins[i] !== value) this.flash[i] = 1;
    this.chain.spins[i] = value;
  }

  listenToPicture() {
    let [last, pointer] = [null, null];
    const at = (event) => {
      const box = this.input.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    };
    const brush = (from, to) => {
      const steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 2) + 1;
      for (let s = 0; s <= steps; s++) {
        const x = from[0] + ((to[0] - from[0]) * s) / steps - 0.5;
        const y = from[1] + ((to[1] - from[1]) * s) / steps - 0.5;
        for (let row = Math.floor(y - 2); row <= y + 2; row++)
          for (let column = Math.floor(x - 2); column <= x + 2; column++)
            if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) {
              const p = row * SIDE + column;
              // As wide as the strokes of the training images: about two pixels.
              const ink = Math.min(1, Math.max(0, 1.7 - Math.hypot(row - y, column - x)));
              this.image[p] = Math.max(this.image[p], ink);
            }
      }
      this.changedImage(false);
    };
    this.input.addEventListener("pointerdown", (event) => {
      if (last || event.button !== 0 || !this.input.classList.contains("draws")) return;
      event.preventDefault();
      pointer = event.pointerId;
      this.input.setPointerCapture(event.pointerId);
      last = at(event);
      brush(last, last);
    });
    this.input.addEventListener("pointermove", (event) => {
      if (!last || event.pointerId !== pointer) return;
      const next = at(event);
      brush(last, next);
      last = next;
    });
    for (const end of ["pointerup", "pointercancel"])
      this.input.addEventListener(end, (event) => {
        if (!last || event.pointerId !== pointer) return;
        last = null;
        this.tell("image", this.image);
        this.tellAtRest();
      });
  }

  listenToChip() {
    const nearest = (event) => {
      const box = this.chip.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let [best, distance] = [-1, 18];
      for (let i = 0; i < this.model.prior.n; i++) {
        const [px, py] = this.placeOf(i);
        const d = Math.hypot(px - x, py - y);
        if (d < distance) [best, distance] = [i, d];
      }
      return best;
    };
    this.chip.addEventListener("pointermove", (event) => this.point(nearest(event)));
    this.chip.addEventListener("pointerleave", () => this.point(-1));
    this.chip.addEventListener("click", (event) => this.press(nearest(event), event.shiftKey));
    this.chip.addEventListener("keydown", (event) => {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (ways[event.key]) this.point(this.towards(...ways[event.key]));
      else if (event.key === "Enter" || event.key === " ") this.press(this.cursor);
      else if (event.key.toLowerCase() === "h") this.press(this.cursor, true);
      else return;
      event.preventDefault();
    });
  }

  /* The next qubit in a direction, for the arrow keys. */
  towards(dx, dy) {
    if (this.cursor < 0) return 0;
    const [x, y] = this.placeOf(this.cursor);
    let [best, cost] = [this.cursor, Infinity];
    for (let i = 0; i < this.model.prior.n; i++) {
      const [px, py] = this.placeOf(i);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (along > 1 && along + 2 * aside < cost) [best, cost] = [i, along + 2 * aside];
    }
    return best;
  }

  point(i) {
    if (i === this.cursor) return;
    this.cursor = i;
    if (i >= 0) this.say(this.tellOf(i));
    else this.explain();
    this.draw();
  }

  /* Whether the spins on the chip are the encoder's, which belong to no class of the prior. */
  get encoded() {
    return this.state.mode === "encode" || (this.state.mode === "watch" && this.phase === "encode");
  }

  tellOf(i) {
    const { prior, qubits } = this.model;
    const { chain } = this;
    const number = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2);
    const force = prior.force(chain.spins, i, chain.y, chain.coupled);
    const neighbours = prior.first[i + 1] - prior.first[i];
    const own = `bias ${number(prior.fields[chain.y * prior.n + i])}`
      + (chain.coupled ? `, with its ${neighbours} neighbours ${number(force)}` : ", without its neighbours")
      + `; ${this.known ? "by the prior alone" : "so"} its mean spin would now be `
      + `${number(Math.tanh(-force * (this.beta ?? 1)))}.`;
    const encoders = `${neighbours} neighbours. The encoder wants ${number(Math.tanh((this.logits?.[i] ?? 0) / 2))} on average.`;
    return `Qubit ${qubits[i]}: spin ${chain.spins[i] > 0 ? "+1" : "−1"}${chain.held[i] ? ", held" : ""}; `
      + (this.encoded ? encoders : own)
      + (this.state.mode === "encode" ? " Click: turn it round."
        : " Click: turn it round and hold it; again: free it.");
  }

  /* A click on a qubit: the spin turns round; where one steers it is then held. */
  press(i, holdOnly = false) {
    if (i < 0) return;
    const { chain } = this;
    if (this.state.mode === "compare" || this.state.mode === "watch") {
      const { y } = chain;
      const spins = chain.spins.slice();
      this.enter("steer"); // which draws all spins anew, where the string shown is wanted
      chain.spins.set(spins);
      chain.y = y;
    }
    if (this.state.mode === "steer" && chain.held[i]) chain.held[i] = 0;
    else {
      if (!holdOnly) this.turn(i, -chain.spins[i]);
      if (this.state.mode === "steer") chain.held[i] = 1;
    }
    this.pressed = true; // the encoder does not draw these spins anew at once
    this.completion?.refresh();
    this.say(this.tellOf(i));
    this.tell("spins", chain.spins);
    this.look();
    this.draw();
  }

  // --------------------------------------------------------------------------------- what happens

  loop() {
    if (this.stopped) return;
    requestAnimationFrame(() => this.loop());
    const flashing = this.flash.some((v) => v > 0.02);
    if (this.hidden || (!this.state.playing && !flashing)) return;
    const began = performance.now();
    if (this.state.playing) this.advance();
    this.draw();
    this.frameWork.push(performance.now() - began);
    if (this.frameWork.length > 600) this.frameWork.shift();
  }

  /* What one frame does. */
  advance() {
    const { mode, speed } = this.state;
    this.clock += speed;
    if (mode === "watch") this.advanceWatch();
    else if (mode === "compare") this.advanceWalls();
    else if (mode === "encode") {
      if (this.clock >= 45 && !this.pressed) { this.clock = 0; this.encodeImage(); this.tell("spins", this.chain.spins); }
    } else if (this.completion) {
      if (this.stale) this.complete();
      const until = performance.now() + WORK_MS * Math.min(1, speed);
      this.beta = 1 / this.state.temperature;
      while (performance.now() < until) {
        const i = this.chain.prior.order[this.completion.next];
        const before = this.chain.spins[i];
        this.completion.step(1 / this.state.temperature);
        if (this.chain.spins[i] !== before) this.flash[i] = 1;
      }
    } else this.sweeps(1);
    if (!this.encoded) this.remember();
    // Where a frame takes long, as on a phone, the picture follows every second one.
    this.even = !this.even;
    if (this.even || !(this.frameWork.at(-1) > SLOW_MS)) this.look();
  }

  /* Sweeps of the chain on the chip at an inverse temperature; fractions add up. */
  sweeps(many, beta = 1 / this.state.temperature) {
    this.beta = beta;
    this.rest = (this.rest || 0) + many * this.state.speed;
    const before = this.chain.spins.slice();
    for (; this.rest >= 1; this.rest--) this.chain.sweep(beta);
    for (let i = 0; i < before.length; i++) if (before[i] !== this.chain.spins[i]) this.flash[i] = 1;
  }

  /* A picture becomes spins; the spins are forgotten, heated, cooled; a new picture is kept. */
  advanceWatch() {
    const told = this.state.wish || !this.model.examples.length ? 0 : WATCH.encode;
    const at = this.clock - told;
    if (at <= 0) {
      if (this.phase !== "encode") { this.phase = "encode"; this.encodeImage(); this.explain(); }
      else if (this.past.length < WALL * WALL) this.anotherPicture(performance.now() + WORK_MS);
      return;
    }
    if (at <= WATCH.frames) {
      if (this.phase !== "sample") {
        this.phase = "sample";
        this.chain.restart(this.model.prior.draw(this.random, this.state.wish));
        this.explain();
      }
      // As Chain.anneal: cooled for four fifths, then at the last temperature.
      const cold = Math.min(1, at / (0.8 * WATCH.frames)) / this.state.temperature;
      this.sweeps(WATCH.sweeps / WATCH.frames, cold);
    } else if (this.phase !== "rest") {
      this.phase = "rest";
      this.look();
      this.past.unshift(this.output.slice());
      this.past.length = Math.min(this.past.length, WALL * WALL);
      this.tell("spins", this.chain.spins);
      this.explain();
    } else if (at <= WATCH.frames + WATCH.rest) {
      if (this.past.length < WALL * WALL) this.anotherPicture(performance.now() + WORK_MS);
    } else {
      this.clock = 0;
      this.phase = "";
      if (told) this.nextExample();
    }
  }

  /* Go on with a further picture for the wall, made as those that one watches. */
  anotherPicture(until) {
    if (!this.spare) {
      this.spare = new Chain(this.model.prior, this.random);
      this.spare.restart(this.model.prior.draw(this.random, this.state.wish));
      this.spare.done = 0;
    }
    this.spare.coupled = this.state.coupled;
    for (; this.spare.done < WATCH.sweeps; this.spare.done++) {
      const cold = Math.min(1, this.spare.done / (0.8 * WATCH.sweeps)) / this.state.temperature;
      this.spare.sweep(cold);
      if (performance.now() > until) return;
    }
    this.past.push(this.model.decode(this.spare.spins));
    this.spare = null;
  }

  restartWalls() {
    const { prior } = this.model;
    this.walls = [true, false].map((coupled) => Array.from({ length: WALL * WALL }, (_, k) => {
      const chain = coupled && k === 0 ? this.chain : new Chain(prior, this.random);
      chain.coupled = coupled;
      return { chain, image: new Float32Array(784) };
    }));
    for (let k = 0; k < WALL * WALL; k++) { // the same class on both sides
      const y = prior.draw(this.random, this.state.wish);
      for (const wall of this.walls) wall[k].chain.restart(y);
    }
    this.turnOf = 0;
    this.refreshWalls(Infinity);
  }

  /* Decode as many pictures of the walls as there is time for, in turn. */
  refreshWalls(until) {
    for (let k = 0; k < 2 * WALL * WALL; k++) {
      const { chain, image } = this.walls[this.turnOf % 2][this.turnOf >> 1];
      this.model.decode(chain.spins, image);
      this.turnOf = (this.turnOf + 1) % (2 * WALL * WALL);
      if (performance.now() > until) return;
    }
  }

  advanceWalls() {
    const began = performance.now();
    const cold = Math.min(1, this.clock / COMPARE.frames) / this.state.temperature;
    const before = this.chain.spins.slice();
    this.beta = cold;
    this.rest = (this.rest || 0) + this.state.speed;
    for (; this.rest >= 1; this.rest--)
      for (const wall of this.walls)
        for (const { chain } of wall) chain.sweep(cold);
    for (let i = 0; i < before.length; i++) if (before[i] !== this.chain.spins[i]) this.flash[i] = 1;
    this.refreshWalls(began + WORK_MS);
    if (this.clock > COMPARE.frames + COMPARE.rest) { this.clock = 0; this.restartWalls(); }
  }

  remember() {
    this.trace.push(this.chain.energy);
    if (this.trace.length > 240) this.trace.shift();
  }

  /* What the decoder makes of the spins, and how well. */
  look() {
    this.model.decode(this.chain.spins, this.output);
    const compares = this.state.mode === "encode" || (this.state.mode === "watch" && this.phase === "encode");
    const text = compares ? `${this.model.nats(this.image, this.chain.spins).toFixed(0)} nats` : "";
    if (this.lossText.textContent !== text) this.lossText.textContent = text;
  }

  /* One sentence on what is to be seen. */
  explain() {
    const { mode, wish } = this.state;
    const { n } = this.model.prior;
    const label = this.model.about.examples[this.shownExample];
    const made = this.model.about.noun;
    const wished = wish ? `, with the biases of “${wish}”` : "";
    const texts = {
      watch: {
        encode: `The encoder writes a test picture (${label}) as ${n} spins; the decoder reads them.`,
        sample: `The picture is forgotten. The sampler starts from random spins and cools them${wished}.`,
        rest: this.state.coupled && this.state.temperature === 1
          ? `The spins are, nearly, a sample of the prior, and the decoder reads them: a new ${made}.`
          : `These spins are not the prior's: ${this.state.coupled ? "another temperature" : "no couplings"}. `
            + "The decoder reads them all the same.",
      }[this.phase] || "",
      encode: "Draw on the left, or choose a picture. The chip shows the encoder's spins, drawn anew now and then; "
        + "click a qubit to turn its spin round.",
      steer: this.known ? "The spins walk so that the decoder agrees with the known part, and the prior with the spins."
        : `The prior's spins walk at the temperature you choose${wished}. Click qubits to hold them.`,
      compare: `Left: spins drawn with the couplings. Right: with the same biases, couplings taken away${wished}. `
        + "(A prior that had been trained without any would have other biases.)",
    };
    // A stream of sentences would keep a screen reader from everything else.
    this.words.setAttribute("aria-live", mode === "watch" && this.cursor < 0 ? "off" : "polite");
    if (this.cursor < 0 && !this.tip) this.say(texts[mode]);
    const captions = {
      watch: this.phase === "encode" || !this.phase ? ["goes in", "comes back"] : ["made so far", `a new ${made}`],
      encode: ["yours: draw here", "what comes back"],
      steer: [this.known ? "known, and under a veil unknown" : "yours: draw, then say what is known",
        this.known ? "completed" : "as the spins are now"],
      compare: ["with couplings", "without couplings"],
    }[mode];
    [this.inputText.textContent, this.outputText.textContent] = captions;
    this.input.setAttribute("aria-label", captions[0]);
    this.outputCanvas.setAttribute("aria-label", captions[1]);
    const encodes = mode === "encode" || (mode === "watch" && (this.phase === "encode" || !this.phase));
    this.encoderWay.classList.toggle("flows", encodes && !this.still.matches);
    this.encoderWay.classList.toggle("off", !encodes);
    this.decoderWay.classList.toggle("flows", mode !== "compare" && !this.still.matches);
    this.decoderWay.classList.toggle("off", mode === "compare");
  }

  // ------------------------------------------------------------------------------------- drawing

  draw() {
    if (!this.theme) return;
    const { mode } = this.state;
    // Where a frame takes long, walls and chip are drawn in turn.
    const inTurn = mode === "compare" && this.state.playing && Math.max(...this.frameWork.slice(-2)) > SLOW_MS;
    if (mode === "compare" && this.walls) {
      if (!inTurn || this.even) {
        paint(this.input, this.walls[0].map((one) => one.image), this.theme, WALL);
        paint(this.outputCanvas, this.walls[1].map((one) => one.image), this.theme, WALL);
      }
    } else {
      const past = mode === "watch" && this.phase && this.phase !== "encode";
      if (past) paint(this.input, this.past, this.theme, WALL);
      else paint(this.input, [this.image], this.theme, 1, this.known);
      paint(this.outputCanvas, [this.output], this.theme);
    }
    if (inTurn && this.even) return;
    this.drawChip();
    this.drawTrace();
  }

  /* A canvas with as many points as the screen has. */
  sharp(canvas) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    return context;
  }

  placeOf(i) {
    const { places } = this.model;
    const [w, h] = [this.chip.clientWidth, this.chip.clientHeight];
    return [12 + places[2 * i] * (w - 24), 12 + places[2 * i + 1] * (h - 24)];
  }

  /* The couplers, once for each size and theme. */
  drawEdges() {
    const { prior } = this.model;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const layer = document.createElement("canvas");
    layer.width = this.chip.width;
    layer.height = this.chip.height;
    const context = layer.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const largest = prior.quadratic.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
    const faint = this.chain.coupled ? 1 : 0.12;
    for (let e = 0; e < prior.quadratic.length; e++) {
      const size = Math.sqrt(Math.abs(prior.quadratic[e]) / largest);
      // E = J s s': a negative coupling wants spins alike.
      const colour = prior.quadratic[e] < 0 ? this.theme.agree : this.theme.differ;
      context.strokeStyle = `rgba(${colour},${Math.min(1, 0.1 + size) * faint})`;
      context.lineWidth = 0.4 + 2.6 * size * size;
      context.beginPath();
      context.moveTo(...this.placeOf(prior.edges[2 * e]));
      context.lineTo(...this.placeOf(prior.edges[2 * e + 1]));
      context.stroke();
    }
    return layer;
  }

  drawChip() {
    const { clientWidth: width, clientHeight: height } = this.chip;
    if (!width || !height) return;
    const { prior } = this.model;
    const { chain, theme } = this;
    const context = this.sharp(this.chip);
    this.edges ||= this.drawEdges();
    context.drawImage(this.edges, 0, 0, width, height);
    const radius = Math.max(2.2, Math.min(14, 0.46 * this.model.spacing * Math.min(width, height)));
    for (let i = 0; i < prior.n; i++) {
      const [x, y] = this.placeOf(i);
      const colour = chain.spins[i] > 0 ? theme.up : theme.down;
      if (this.flash[i] > 0.02) {
        context.globalAlpha = 0.35 * this.flash[i];
        context.fillStyle = colour;
        context.beginPath();
        context.arc(x, y, radius * (1 + 0.9 * this.flash[i]), 0, 7);
        context.fill();
        context.globalAlpha = 1;
        this.flash[i] *= 0.86;
      }
      context.fillStyle = colour;
      context.strokeStyle = chain.held[i] ? theme.held : theme.rim;
      context.lineWidth = chain.held[i] ? 3 : 0.8;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
      context.stroke();
    }
    if (this.cursor >= 0) this.drawCursor(context, radius);
  }

  /* The qubit that is pointed at, and its neighbours. */
  drawCursor(context, radius) {
    const { prior } = this.model;
    const { cursor, theme } = this;
    for (let k = prior.first[cursor]; k < prior.first[cursor + 1]; k++) {
      context.strokeStyle = `rgb(${prior.coupling[k] < 0 ? theme.agree : theme.differ})`;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(...this.placeOf(cursor));
      context.lineTo(...this.placeOf(prior.neighbour[k]));
      context.stroke();
    }
    const [x, y] = this.placeOf(cursor);
    context.strokeStyle = theme.held;
    context.fillStyle = this.chain.spins[cursor] > 0 ? theme.up : theme.down;
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x, y, radius * 1.5, 0, 7);
    context.fill();
    context.stroke();
  }

  drawTrace() {
    const { clientWidth: width, clientHeight: height } = this.traceCanvas;
    if (!width) return;
    const context = this.sharp(this.traceCanvas);
    const { trace } = this;
    if (trace.length > 1) {
      const low = Math.min(...trace);
      const high = Math.max(...trace, low + 1);
      context.strokeStyle = this.theme.up;
      context.lineWidth = 1.5;
      context.beginPath();
      trace.forEach((energy, k) =>
        context.lineTo((k / 239) * width, 3 + (height - 6) * (1 - (energy - low) / (high - low))));
      context.stroke();
    }
    const classless = this.encoded && this.model.prior.classes > 1;
    const text = classless ? "" : `energy ${this.chain.energy.toFixed(0).replace("-", "−")}`;
    if (this.traceText.textContent !== text) this.traceText.textContent = text;
  }
}

// -------------------------------------------------------------------------------------- its homes

/* Show the stage in an element of a page; returns it. */
export function mount(element, bytes, options = {}) {
  element.stage?.stop();
  return new Stage(element, bytes, options);
}

/* What anywidget calls: state goes both ways between Python and the stage. */
export default {
  render({ model, el }) {
    const bytesOf = (name) => {
      const view = model.get(name);
      return view && view.byteLength ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : null;
    };
    const names = ["mode", "wish", "temperature", "coupled", "playing"];
    const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    let stage;
    try {
      stage = new Stage(el, bytesOf("_file"), { state, seed: model.get("_seed") });
    } catch (error) {
      el.textContent = `The model cannot be shown: ${error.message}`;
      return undefined;
    }
    const show = (bytes) => bytes && stage.setImage(Float32Array.from(bytes, (v) => v / 255), false);
    const heard = names.map((name) => [`change:${name}`, () =>
      (name === "mode" ? model.get(name) !== stage.state.mode && stage.enter(model.get(name))
        : stage.set(name, model.get(name)))]);
    heard.push(["change:_image", () => show(bytesOf("_image"))]);
    for (const [event, answer] of heard) model.on(event, answer);
    const send = (name, value) => {
      // Old versions of ipywidgets find any two views of memory equal.
      if (ArrayBuffer.isView(value)) model.set(name, null, { silent: true });
      model.set(name, value);
      model.save_changes();
    };
    for (const name of names) stage.on(name, (value) => model.get(name) !== value && send(name, value));
    stage.on("image", (image) =>
      send("_drawn", new DataView(Uint8Array.from(image, (v) => Math.round(255 * v)).buffer)));
    stage.on("spins", (spins) => send("_spins", new DataView(Int8Array.from(spins).buffer)));
    if (["encode", "steer"].includes(stage.state.mode)) show(bytesOf("_drawn") || bytesOf("_image"));
    if (model.get("playing") !== stage.state.playing) send("playing", stage.state.playing);
    return () => {
      for (const [event, answer] of heard) model.off(event, answer);
      stage.stop();
    };
  },
};
