/* Formulas: MathJax is loaded where one stands in the window, or as soon as somebody stirs, and only
   the parts of it that our formulas need.  `showFormulas()` does not wait. */
(() => {
  const folder = new URL("mathjax", document.currentScript.src).href;
  let shown = null;
  window.showFormulas = () => (shown ??= new Promise((resolve, reject) => {
    const settings = window.MathJax || {};
    window.MathJax = {
      ...settings,
      loader: {
        load: ["core", "input/tex-base", "[tex]/ams", "output/chtml", "a11y/assistive-mml"],
        paths: { mathjax: folder },
      },
      tex: { packages: ["base", "ams"] },
    };
    const script = document.createElement("script");
    script.src = `${folder}/startup.js`;
    script.onload = () => window.MathJax.startup.promise.then(resolve, reject);
    script.onerror = () => reject(new Error("MathJax did not come."));
    document.head.append(script);
  }));
  const near = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      near.disconnect();
      window.showFormulas();
    }
  });
  document.querySelectorAll(".math").forEach((formula) => near.observe(formula));
  for (const event of ["scroll", "wheel", "pointermove", "pointerdown", "touchstart", "keydown", "beforeprint"])
    addEventListener(event, window.showFormulas, { once: true, passive: true });
})();
