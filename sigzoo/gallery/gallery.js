"use strict";
// A signature that is pressed comes first, the others by their distance from it; arrows go from one to the next.
const list = document.getElementById("exhibits");
const exhibits = [...list.children].map((item, place) => ({
  item,
  place,
  button: item.querySelector("button"),
  name: item.querySelector(".name").textContent,
  label: item.querySelector(".distance"),
  distances: item.dataset.distances.split(" ").map(Number),
}));
const order = (chosen) => {
  const far = (each) => (each === chosen ? -1 : chosen.distances[each.place]);
  const sorted = [...exhibits].sort((a, b) => far(a) - far(b) || a.place - b.place);
  for (const each of sorted) {
    each.button.setAttribute("aria-pressed", String(each === chosen));
    each.label.textContent = each === chosen ? "distances are from here" : chosen.distances[each.place].toPrecision(3);
  }
  list.append(...sorted.map((each) => each.item));
  document.getElementById("told").textContent = `Ordered by distance from ${chosen.name}.`;
  chosen.button.focus();
};
for (const each of exhibits) each.button.addEventListener("click", () => order(each));
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
list.addEventListener("keydown", (event) => {
  const buttons = [...list.querySelectorAll("li > button")];
  const here = buttons.indexOf(document.activeElement);
  if (here < 0) return;
  const next = { Home: 0, End: buttons.length - 1 }[event.key] ?? here + STEPS[event.key];
  if (!buttons[next]) return;
  event.preventDefault();
  buttons[next].focus();
});
