// Tables sort by the column whose name is pressed; galleries show one group.
for (const button of document.querySelectorAll("th button")) button.onclick = () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const at = head.cellIndex, sign = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
  const key = row => { const s = row.cells[at].dataset.v ?? row.cells[at].textContent; return isNaN(s) ? s : +s; };
  const order = (a, b) => typeof a === "string" || typeof b === "string" ? String(a).localeCompare(String(b)) : a - b;
  body.append(...[...body.rows].sort((a, b) => sign * order(key(a), key(b))));
};
for (const bar of document.querySelectorAll(".filter")) {
  bar.hidden = false;
  for (const button of bar.querySelectorAll("button")) button.onclick = () => {
    for (const other of bar.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    for (const tile of bar.parentElement.querySelectorAll(".tile"))
      tile.hidden = button.dataset.group !== undefined && tile.dataset.group !== button.dataset.group;
  };
}
