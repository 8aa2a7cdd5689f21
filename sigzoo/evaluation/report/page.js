"use strict";
// Curves are shown and hidden by the boxes of their legend.
for (const box of document.querySelectorAll("input[data-toggles]")) {
  box.addEventListener("change", () => {
    const part = box.closest("section");
    for (const curve of part.querySelectorAll(`[data-system="${box.dataset.toggles}"]`)) {
      curve.classList.toggle("off", !box.checked);
    }
  });
}
// A click on a head sorts the table by its column; what is no number goes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("th").forEach((head, column) => {
    head.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      const numeric = column > 1;
      const key = (row) => {
        const text = row.cells[column] ? row.cells[column].textContent : "";
        const number = parseFloat(text);
        return numeric ? (Number.isNaN(number) ? Infinity : falling ? -number : number) : text;
      };
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        return numeric ? x - y || 0 : (falling ? -1 : 1) * String(x).localeCompare(String(y));
      });
      table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
