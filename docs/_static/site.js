/* What pages of the site do by themselves: the stage in a frame, and the search. */

/* The frame in which a page shows the stage: as high as it is, in the theme of the site. */
addEventListener("DOMContentLoaded", () => {
  const frames = document.querySelectorAll("iframe.stage");
  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
  const tell = () => frames.forEach((frame) =>
    frame.contentWindow?.postMessage({ qdvaeTheme: theme() }, "*"));
  new MutationObserver(tell).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  frames.forEach((frame) => frame.addEventListener("load", tell));
  addEventListener("message", (event) => {
    for (const frame of frames)
      if (event.source === frame.contentWindow && event.data?.qdvaeHeight) {
        frame.style.height = `${event.data.qdvaeHeight}px`;
        tell();
      }
  });
});

/* The search.  Its index is a script, so that it also loads from a disk, and only once somebody
   searches: pages [address, title, weight] and sections [page, anchor, heading, text]. */
(() => {
  const root = document.documentElement.dataset.content_root || "./";
  const INDEX = new URL("search-index.js", document.currentScript.src);
  const SHOWN = 12, ALL = 60, AROUND = 90;
  const SMALL = new Set("a an and are can do does for how i in is it my of on or the to what when where which why with".split(" "));
  let index = null;

  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const loaded = () => (index ??= new Promise((resolve, reject) => {
    window.siteIndex = ([pages, sections]) => resolve(sections.map(([page, anchor, heading, text]) => ({
      page: pages[page], anchor, heading, text, low: { heading: plain(heading), text: plain(text), title: plain(pages[page][1]) },
    })));
    const script = document.createElement("script");
    script.src = INDEX;
    script.onerror = () => { index = null; reject(new Error("The index did not come.")); };
    document.head.append(script);
  }));

  /* A word as it stands at the beginning of words: plural and singular alike. */
  const pattern = (word) => {
    const stem = word.length > 4 ? word.replace(/(ies|es|s|y)$/, "") : word;
    return new RegExp(`(^|[^a-z0-9])(${stem.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")})`, "g");
  };

  const score = (entry, words) => {
    let sum = 0;
    for (const word of words) {
      const count = (text) => (text.match(word) || []).length;
      const heading = count(entry.low.heading), title = count(entry.low.title), text = count(entry.low.text);
      if (!heading && !title && !text) return 0;
      const whole = heading && entry.low.heading.length < 2 * word.source.length ? 6 : 0;
      sum += (heading ? 12 + whole : 0) + (title && entry.anchor === "" ? 6 : 0) + (title ? 1 : 0) + Math.min(4, text);
    }
    return sum * (1 + entry.page[2] / 3);
  };

  const marked = (text, words) => {
    const low = plain(text), places = [];
    if (low.length === text.length)
      for (const word of words)
        for (const match of low.matchAll(word)) places.push([match.index + match[1].length, match.index + match[0].length]);
    places.sort((a, b) => a[0] - b[0]);
    const part = document.createDocumentFragment();
    let at = 0;
    for (const [from, to] of places) {
      if (from < at) continue;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(from, to);
      part.append(text.slice(at, from), mark);
      at = to;
    }
    part.append(text.slice(at));
    return part;
  };

  const excerpt = (entry, words) => {
    const found = words.map((word) => entry.low.text.search(word)).filter((at) => at >= 0);
    const at = Math.max(0, Math.min(...found, entry.text.length) - AROUND);
    const from = found.length && at ? entry.text.indexOf(" ", at) + 1 : 0;
    const cut = entry.text.slice(from, from + 2.4 * AROUND).replace(from + 2.4 * AROUND < entry.text.length ? / \S*$/ : /$/, "");
    return (from ? "… " : "") + cut + (from + cut.length < entry.text.length ? " …" : "");
  };

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const search = async (query, most) => {
    const typed = plain(query).split(/[^a-z0-9_.]+/).filter(Boolean);
    const telling = typed.filter((word) => !SMALL.has(word));
    const words = (telling.length ? telling : typed).map(pattern);
    if (!words.length) return null;
    const found = (await loaded()).map((entry) => [score(entry, words), entry]).filter(([points]) => points > 0);
    found.sort((a, b) => b[0] - a[0]);
    const items = found.slice(0, most).map(([, entry]) => {
      const [address, title] = entry.page;
      const where = entry.anchor && entry.heading !== title ? element("span", { className: "where" }, title) : "";
      return element("li", {}, element("a", { href: root + address + (entry.anchor ? `#${entry.anchor}` : "") },
        where, element("strong", {}, marked(entry.heading, words)), element("span", {}, marked(excerpt(entry, words), words))));
    });
    const said = found.length > most ? `${found.length} places; the best ${most}` : `${found.length || "No"} place${found.length === 1 ? "" : "s"}`;
    return { items, said };
  };

  const attach = (form) => {
    const input = form.querySelector("input[name=q]");
    const page = !form.closest("dialog"); // the page of the search shows all
    const status = element("p", { className: "site-search-status" });
    status.setAttribute("role", "status");
    const list = element("ol", { className: "site-search-results" });
    form.after(status, list);
    let latest = 0;
    const answer = async () => {
      const turn = ++latest;
      let result = null;
      try {
        result = await search(input.value, page ? ALL : SHOWN);
      } catch (error) {
        result = { items: [], said: error.message };
      }
      if (turn !== latest) return;
      status.textContent = result?.said ?? "";
      list.replaceChildren(...(result?.items ?? []));
      form.closest("dialog")?.classList.toggle("has-results", Boolean(result?.items.length));
    };
    input.addEventListener("focus", () => loaded().catch(() => {}), { once: true });
    input.addEventListener("input", answer);
    // Arrows walk from the field through the results.
    form.parentElement.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const stops = [input, ...list.querySelectorAll("a")];
      const next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) { event.preventDefault(); next.focus(); }
    });
    if (page) {
      input.value = new URLSearchParams(location.search).get("q") ?? "";
      form.addEventListener("submit", (event) => { event.preventDefault(); answer(); });
      answer();
    }
  };
  addEventListener("DOMContentLoaded", () => document.querySelectorAll("form.bd-search").forEach(attach));
})();
