"use strict";
const gallery = document.getElementById("pictures");
const cards = [...gallery.querySelectorAll("article")];
const rows = [...gallery.querySelectorAll(".row")];

for (const box of gallery.querySelectorAll("[data-layer]")) {
  const show = () => gallery.classList.toggle("no-" + box.dataset.layer, !box.checked);
  box.addEventListener("change", show);
  show();
}

document.getElementById("size").addEventListener("change", (event) =>
  gallery.style.setProperty("--side", event.target.value));

document.getElementById("class").addEventListener("change", (event) => {
  const id = event.target.value;
  for (const card of cards) {
    card.hidden = id !== "" && !card.dataset.classes.split(" ").includes(id);
    // Images that cost the selected class most, or have its lowest IoU, come first.
    const place = JSON.parse(card.dataset.order)[id];
    card.style.order = id === "" ? 0 : Math.round(1e6 * (place ?? 1));
  }
  for (const row of rows) row.hidden = !row.querySelector("article:not([hidden])");
  document.getElementById("none").hidden = rows.some((row) => !row.hidden);
});
