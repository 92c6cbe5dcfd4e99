"use strict";
(() => {
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };

  const sortBy = (table, index, heading) => {
    const downward = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", downward ? "descending" : "ascending");
    const body = table.tBodies[0];
    const key = (row) => row.cells[index].dataset.key ?? "";
    const rows = [...body.rows].sort((a, b) => {
      const empty = (key(a) === "") - (key(b) === "");
      return empty || (key(a) === "" ? 0 : (downward ? -1 : 1) * compare(key(a), key(b)));
    });
    body.append(...rows);
  };

  const filterBy = (block, words) => {
    const items = [...block.querySelectorAll(".item")];
    for (const item of items) {
      const text = (item.querySelector("figcaption") ?? item).textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
    const left = items.filter((item) => !item.hidden).length;
    const kind = (block.matches("details") ? "row" : "case") + (items.length === 1 ? "" : "s");
    block.querySelector(".filter output").textContent = `${left} of ${items.length} ${kind}`;
  };

  for (const block of document.querySelectorAll(".filtered")) {
    block.querySelector("input[type=search]").addEventListener("input", (event) =>
      filterBy(block, event.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
  }

  for (const table of document.querySelectorAll("details.table table")) {
    [...table.tHead.rows[0].cells].forEach((heading, index) =>
      heading.querySelector("button").addEventListener("click", () => sortBy(table, index, heading)));
  }

  // One slider and one button per figure; what a frame shows is the figure's own business.
  const animate = (figure, count, draw) => {
    const slider = figure.querySelector("input"), button = figure.querySelector("button");
    const name = figure.querySelector("figcaption").textContent;
    const show = (index) => {
      draw(index);
      figure.querySelector("output").textContent = `${index + 1}/${count}`;
      slider.value = index;
    };
    let timer = null;
    const label = (word) => {
      button.textContent = word;
      button.setAttribute("aria-label", `${word} ${name}`);
    };
    button.addEventListener("click", () => {
      if (timer) { clearInterval(timer); timer = null; label("Play"); return; }
      label("Pause");
      const pause = count < 4 ? 700 : Math.max(80, 1000 / count);
      timer = setInterval(() => show((Number(slider.value) + 1) % count), pause);
    });
    slider.addEventListener("input", () => show(Number(slider.value)));
  };
  const paint = (svg, frame, reference, prediction) => {
    svg.querySelector("image").setAttribute("href", frame);
    svg.querySelector("path.reference").setAttribute("d", reference);
    svg.querySelector("path.prediction").setAttribute("d", prediction);
  };

  for (const figure of document.querySelectorAll(".player")) {
    const clip = JSON.parse(figure.querySelector("script").textContent);
    animate(figure, clip.frames.length, (index) =>
      paint(figure.querySelector("svg"), clip.frames[index], clip.reference[index], clip.predicted[index]));
  }

  for (const figure of document.querySelectorAll("figure.beside")) {
    const clip = JSON.parse(figure.querySelector("script").textContent);
    const panels = [...figure.querySelectorAll(".panel svg")], now = figure.querySelector("line.now");
    animate(figure, clip.frames.length, (index) => {
      panels.forEach((panel, model) =>
        paint(panel, clip.frames[index], clip.reference[index], clip.predicted[model][index]));
      for (const end of ["x1", "x2"]) now.setAttribute(end, clip.places[index]);
    });
  }

  const dialog = document.querySelector("dialog");
  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      dialog.querySelector("img")?.remove();
      dialog.append(button.querySelector("img").cloneNode());
      dialog.showModal();
    });
  }
  dialog?.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  document.querySelector("#contours")?.addEventListener("change", (event) =>
    document.body.classList.toggle("hide-contours", !event.target.checked));

  // A link to a table that is folded up unfolds it; paper has no folds but for whole configurations.
  const unfold = () => document.querySelector(location.hash || "#none")?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(.long)")];
    folded.forEach((block) => block.setAttribute("open", ""));
  });
  addEventListener("afterprint", () => folded.forEach((block) => block.removeAttribute("open")));
})();
