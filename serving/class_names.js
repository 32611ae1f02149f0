"use strict";
// Shows the name of the class under the pointer. The attribute `data-ids` of an element holds a grey picture of class
// ids, which covers the element. `data-matrix` marks a confusion matrix.
const classNames = JSON.parse(document.getElementById("class-names").textContent);
const nameTag = Object.assign(document.createElement("span"), { className: "name-tag", hidden: true });
nameTag.setAttribute("aria-hidden", "true"); // the names are also in the text beside the picture

async function readIds(stack) {
  const picture = Object.assign(new Image(), { src: stack.dataset.ids });
  await picture.decode();
  const { naturalWidth: width, naturalHeight: height } = picture;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, width, height);
}

function follow(stack, nameAt) {
  stack.addEventListener("pointermove", async (event) => {
    const box = stack.getBoundingClientRect();
    nameTag.textContent = await nameAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    nameTag.hidden = false;
    stack.append(nameTag);
  });
  stack.addEventListener("pointerleave", () => { nameTag.hidden = true; });
}

const place = (share, length) => Math.min(Math.max(Math.floor(share * length), 0), length - 1);

for (const stack of document.querySelectorAll("[data-ids]")) {
  let ids;
  follow(stack, async (x, y) => {
    ids ??= readIds(stack);
    const { width, height, data } = await ids;
    return classNames[data[4 * (place(y, height) * width + place(x, width))]] ?? "not labelled";
  });
}

for (const matrix of document.querySelectorAll("[data-matrix]")) {
  follow(matrix, (x, y) => {
    const [truth, predicted] = [y, x].map((share) => classNames[place(share, classNames.length)]);
    return truth === predicted ? `${truth}: right` : `${truth} taken for ${predicted}`;
  });
}
