"use strict";
// Colours, zoom buttons and copy buttons. The page reads the same without it, but for the panels.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const figures = () => (window.Bokeh ? Bokeh.documents.flatMap((d) => d.roots()) : []);
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Panels are drawn on canvases, which know no style sheet: they are told its colours.
  function paint() {
    const ink = color("--ink"), soft = color("--soft"), line = color("--line"), grid = color("--grid");
    for (const figure of figures()) {
      figure.setv({ outline_line_color: line });
      for (const part of [...figure.below, ...figure.left, ...figure.above, ...figure.center]) {
        if ("axis_line_color" in part.attributes) {
          part.setv({
            axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
            major_label_text_color: soft, axis_label_text_color: soft,
          });
        } else if ("grid_line_color" in part.attributes && part.dimension === 1) {
          if (part.grid_line_color !== null) part.setv({ grid_line_color: grid });
        } else if ("label_text_color" in part.attributes) {
          part.setv({ label_text_color: ink, inactive_fill_color: color("--card") });
        }
      }
    }
  }

  // Paper does not wait for the next frame: the canvases are drawn again at once, in the colours of paper.
  let chosen;
  function toPaper() {
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
    paint();
    fit();
    for (const view of Object.values(Bokeh.index)) view.paint?.();
  }
  function fromPaper() {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
    paint();
    fit();
  }

  // On paper a canvas keeps its size: it is scaled from the width that it has on the screen.
  const PAPER_PX = 720;
  function measure() {
    const panel = document.querySelector(".panel");
    if (panel && !matchMedia("print").matches) root.style.setProperty("--print-zoom", Math.min(1, PAPER_PX / panel.clientWidth));
  }

  // A telephone has no room for long names beside the axis: they go into the lanes.
  const narrow = matchMedia("(max-width: 720px)");
  function fit() {
    for (const figure of figures()) {
      const named = (name) => figure.renderers.find((renderer) => renderer.name === name);
      const isLanes = Boolean(named("in-lanes"));
      figure.setv({ min_border_left: narrow.matches ? 48 : edges.get(figure) });
      if (!isLanes) continue;
      figure.left.forEach((axis) => axis.setv({ major_label_text_font_size: narrow.matches ? "0px" : "11px" }));
      named("in-lanes").setv({ visible: narrow.matches });
      named("in-lanes").glyph.setv({ text_color: color("--ink") });
      for (const name of ["on-bars", "after-bars", "before-bars"]) {
        named(name).setv({ visible: !narrow.matches });
        if (name !== "on-bars") named(name).glyph.setv({ text_color: color("--ink") });
      }
    }
  }
  const edges = new Map();

  function calm() {
    // A finger that scrolls the page must not zoom a panel: on touch screens that is a tool to be chosen.
    if (!matchMedia("(pointer: coarse)").matches) return;
    for (const figure of figures()) figure.toolbar.tools.forEach((tool) => "active" in tool && (tool.active = false));
  }

  function zoom(from, to) {
    const range = figures()[0]?.x_range;
    if (!range) return;
    const margin = Math.max(2, (to - from) * 0.5);
    const [low, high] = range.bounds;
    range.setv({ start: Math.max(low, from - margin), end: Math.min(high, to + margin) });
    document.getElementById("timeline").scrollIntoView({ behavior: "smooth" });
  }

  function begin() {
    for (const table of document.querySelectorAll("table.stack")) {
      const heads = [...table.rows[0].cells].map((cell) => cell.textContent);
      for (const row of [...table.rows].slice(1))
        [...row.cells].forEach((cell, i) => heads[i] && (cell.dataset.label = heads[i]));
    }
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.from) zoom(Number(button.dataset.from), Number(button.dataset.to));
      else if (button.id === "unzoom") figures()[0]?.x_range.setv({ start: figures()[0].x_range.bounds[0], end: figures()[0].x_range.bounds[1] });
      else if (button.id === "theme") {
        const isDark = (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
        root.dataset.theme = isDark ? "light" : "dark";
        paint();
        fit();
      } else if (button.classList.contains("copy")) {
        navigator.clipboard?.writeText(button.parentElement.querySelector("pre").textContent);
        button.textContent = "copied";
      }
    });
    figures().forEach((figure) => edges.set(figure, figure.min_border_left));
    narrow.addEventListener("change", fit);
    dark.addEventListener("change", () => { paint(); fit(); });
    addEventListener("beforeprint", toPaper);
    addEventListener("afterprint", fromPaper);
    new ResizeObserver(measure).observe(document.querySelector("main"));
    paint();
    fit();
    calm();
    root.dataset.ready = "yes";
  }

  const wait = () => (figures().length >= Number(document.body.dataset.figures) ? begin() : setTimeout(wait, 20));
  document.addEventListener("DOMContentLoaded", wait);
})();
