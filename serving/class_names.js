"use strict";
// Shows the name of the class under the pointer. The attribute `data-ids` of an element holds a grey picture of class
// ids, which covers the element.
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

for (const stack of document.querySelectorAll("[data-ids]")) {
  let ids;
  stack.addEventListener("pointermove", async (event) => {
    ids ??= readIds(stack);
    const { width, height, data } = await ids;
    const box = stack.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * width);
    const row = Math.floor((event.clientY - box.top) / box.height * height);
    const id = data[4 * (row * width + column)];
    nameTag.textContent = classNames[id] ?? "not labelled";
    nameTag.hidden = false;
    stack.append(nameTag);
  });
  stack.addEventListener("pointerleave", () => { nameTag.hidden = true; });
}
