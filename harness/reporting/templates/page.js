"use strict";
(() => {
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };

  const sortBy = (table, index, heading) => {
    const downward = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", downward ? "descending" : "ascending");
    const body = table.tBodies[0];
    const key = (row) => row.cells[index].dataset.key ?? "";
    const rows = [...body.rows].sort((a, b) => {
      const empty = (key(a) === "") - (key(b) === "");
      return empty || (downward ? -1 : 1) * compare(key(a), key(b));
    });
    body.append(...rows);
  };

  const filterBy = (block, words) => {
    const rows = [...block.querySelectorAll("tbody tr")];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => !row.hidden).length;
    block.querySelector("output").textContent = `${left} of ${rows.length} rows`;
  };

  for (const block of document.querySelectorAll("details.table")) {
    const table = block.querySelector("table");
    [...table.tHead.rows[0].cells].forEach((heading, index) =>
      heading.querySelector("button").addEventListener("click", () => sortBy(table, index, heading)));
    block.querySelector("input[type=search]").addEventListener("input", (event) =>
      filterBy(block, event.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
  }

  for (const figure of document.querySelectorAll(".player")) {
    const clip = JSON.parse(figure.querySelector("script").textContent);
    const slider = figure.querySelector("input"), button = figure.querySelector("button");
    const show = (index) => {
      figure.querySelector("image").setAttribute("href", clip.frames[index]);
      figure.querySelector("path.reference").setAttribute("d", clip.reference[index]);
      figure.querySelector("path.prediction").setAttribute("d", clip.predicted[index]);
      figure.querySelector("output").textContent = `${index + 1}/${clip.frames.length}`;
      slider.value = index;
    };
    let timer = null;
    button.addEventListener("click", () => {
      if (timer) { clearInterval(timer); timer = null; button.textContent = "Play"; return; }
      button.textContent = "Pause";
      const pause = clip.frames.length < 4 ? 700 : 120;
      timer = setInterval(() => show((Number(slider.value) + 1) % clip.frames.length), pause);
    });
    slider.addEventListener("input", () => show(Number(slider.value)));
  }

  document.querySelector("#contours")?.addEventListener("change", (event) =>
    document.body.classList.toggle("hide-contours", !event.target.checked));
})();
