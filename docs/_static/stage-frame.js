/* The frame in which a page of the site shows the stage: as high as it is, in the theme of the site. */
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
