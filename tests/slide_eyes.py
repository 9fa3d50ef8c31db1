"""What an eye in the last row sees of a deck: a browser measures every slide.

Nothing may be cut off or lie on something else, no text may be smaller than 1/36 of the height or
pale on its ground, nor the writing in a figure, but in one that follows again in parts; no line
begins with a full stop, a figure has the room, and no slide is empty or a wall of text.
"""

from dataclasses import dataclass

from playwright.sync_api import Page

SIZE = {"width": 1280, "height": 720}

_LOOK = r"""async () => {
const faults = [], W = innerWidth, H = innerHeight, scale = Reveal.getScale();
let smallest = Infinity, slides = 0;
const seen = (rect) => rect.width > 1 && rect.height > 1;
const apart = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) <= 3
  || Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) <= 3;
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const ground = (part, section) => {
  for (let at = part; at && at !== section; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.99) return colour;
  }
  for (const part of [section.slideBackgroundContentElement, section.slideBackgroundElement]) {
    const colour = part ? numbers(getComputedStyle(part).backgroundColor) : [0, 0, 0, 0];
    if (colour.length < 4 || colour[3] > 0.99) return colour;
  }
  return [255, 255, 255];
};
const contrast = (a, b) => {
  const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
};
for (const [k, section] of Reveal.getHorizontalSlides().entries()) {
  Reveal.slide(k);
  slides += 1;
  const heading = section.querySelector("h1, h2")?.textContent ?? "";
  const say = (what, text) => faults.push(
    `slide ${k + 1}, "${heading}": ${what}: ${text.trim().replace(/\s+/g, " ").slice(0, 60)}`);
  const boxes = [];
  const box = (block, rect, text) => seen(rect) && boxes.push({ block, rect, text });
  let words = 0, substance = 0;
  const kinds = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT;
  const walker = document.createTreeWalker(section, kinds, {
    acceptNode: (node) => ["ASIDE", "MJX-ASSISTIVE-MML"].includes(node.nodeName)
      ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT });
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    const block = element.closest("p, li, pre, h1, h2, th, td, figcaption, img, iframe, div");
    if (node === element) {
      const rect = node.getBoundingClientRect();
      if (node.nodeName === "IMG" || node.nodeName === "IFRAME") {
        substance += 1;
        box(block, rect, node.alt || node.title);
        if (node.nodeName === "IMG" && !node.naturalWidth) say("a picture is missing", node.src);
        const wide = rect.width > 0.9 * W, high = rect.height > 0.72 * H;
        if (!node.closest(".cover") && !(wide || high))
          say(`a figure without room, ${Math.round(rect.width)} by ${Math.round(rect.height)}`,
            node.alt || node.title);
        const parts = section.nextElementSibling?.querySelector(".detail");
        const writing = parseFloat(node.dataset.writing) * rect.width / node.width;
        if (writing < H / 36 - 0.5 && !(node.closest(".overview") && parts))
          say(`writing in a figure in ${writing.toFixed(1)} px`, node.alt);
      } else if (node.nodeName === "MJX-MATH") {
        substance += 1;
        const all = [...node.querySelectorAll("*")].map((one) => one.getBoundingClientRect());
        const edge = (side, most) => most(...all.filter(seen).map((one) => one[side]));
        const [left, right] = [edge("left", Math.min), edge("right", Math.max)];
        const [top, bottom] = [edge("top", Math.min), edge("bottom", Math.max)];
        box(block, { left, right, top, bottom, width: right - left, height: bottom - top },
          "a formula");
        const size = scale * parseFloat(getComputedStyle(node).fontSize);
        smallest = Math.min(smallest, size);
        if (size < H / 36 - 0.01) say(`a formula in ${size.toFixed(1)} px`, element.textContent);
      }
      const style = getComputedStyle(node);
      if (node.nodeName !== "IFRAME" && /hidden|auto|scroll|clip/.test(style.overflow)
          && !node.closest("mjx-container")
          && (node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1))
        say("hidden or to be scrolled", node.textContent);
    } else if (node.nodeValue.trim() && !element.closest("mjx-container, iframe")) {
      const range = document.createRange();
      const formula = node.previousElementSibling?.closest("mjx-container, .math");
      if (formula && /^[.,;:?!)]/.test(node.nodeValue)) {
        range.setStart(node, 0);
        range.setEnd(node, 1);
        if (range.getBoundingClientRect().top > formula.getBoundingClientRect().bottom - 3)
          say("a line begins with a sign", node.nodeValue);
      }
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) box(block, rect, node.nodeValue);
      const size = scale * parseFloat(getComputedStyle(element).fontSize);
      smallest = Math.min(smallest, size);
      if (size < H / 36 - 0.01) say(`text in ${size.toFixed(1)} px`, node.nodeValue);
      const ratio = contrast(numbers(getComputedStyle(element).color), ground(element, section));
      if (ratio < 4.5) say(`text with a contrast of ${ratio.toFixed(1)}`, node.nodeValue);
      if (!element.closest("h1, h2, .label")) {
        substance += 1;
        if (!element.closest("pre, table")) words += node.nodeValue.trim().split(/\s+/).length;
      }
    }
  }
  const chrome = ".reveal > .slide-number, .reveal > .controls .enabled";
  for (const part of document.querySelectorAll(chrome))
    if (getComputedStyle(part).display !== "none")
      box(part, part.getBoundingClientRect(), `${part.className} of the deck`);
  for (const { rect, text } of boxes)
    if (rect.left < -1 || rect.top < -1 || rect.right > W + 1 || rect.bottom > H + 1) {
      const corner = `${Math.round(rect.right)}, ${Math.round(rect.bottom)}`;
      say("cut off", `reaches ${corner} of ${W}, ${H}: ${text}`);
    }
  for (const [i, a] of boxes.entries())
    for (const b of boxes.slice(i + 1))
      if (a.block !== b.block && !a.block.contains(b.block) && !b.block.contains(a.block)
          && !apart(a.rect, b.rect))
        say("lies on something", `${a.text.trim().slice(0, 28)} / ${b.text.trim()}`);
  if (!substance) say("empty", heading);
  if (words > 150) say(`a wall of ${words} words`, section.textContent);
}
return { faults: [...new Set(faults)], smallest, slides };
}"""


@dataclass
class Seen:
    """What was seen of a deck."""

    faults: list[str]
    smallest: float  # pixels of the smallest text, of 720
    slides: int


def look_at_deck(page: Page, address: str) -> Seen:
    """Open a deck at 1280 by 720, turn to each of its slides, and measure it."""
    page.set_viewport_size(SIZE)
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    return Seen(**page.evaluate(_LOOK))
