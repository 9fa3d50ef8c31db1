/* A deck begins when its formulas stand, so that they are measured while they are in sight. */
(async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  for (const place of document.querySelectorAll(".sheet > div.formula")) {
    const rects = [...place.querySelectorAll("mjx-math *")].map((one) => one.getBoundingClientRect());
    const left = Math.min(...rects.map((one) => one.left));
    const width = Math.max(...rects.map((one) => one.right)) - left;
    const size = parseFloat(getComputedStyle(place).fontSize);
    if (width > place.clientWidth) place.style.fontSize = `${(size * place.clientWidth) / width}px`;
  }
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0, center: false, hash: true, transition: "none", backgroundTransition: "none",
    slideNumber: "c/t", controlsTutorial: false, pdfSeparateFragments: false,
    plugins: [RevealNotes],
  });
  /* The stage's frame takes the keyboard when one clicks into it, and has to give it back. */
  const leave = () => {
    document.activeElement?.blur();
    window.focus();
  };
  addEventListener("message", (event) => {
    const wish = event.data?.qdvaeStage;
    if (wish === "next") Reveal.next();
    if (wish === "prev") Reveal.prev();
    if (wish) leave();
  });
  Reveal.on("slidechanged", leave);
  document.documentElement.dataset.ready = "";
})();
