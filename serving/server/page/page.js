import { readOriented } from "./orientation.js";
import { classIds, drawMask } from "./mask.js";
import { showCard } from "./card.js";

const MAX_DRAWN = 2e6; // maximum number of pixels of a canvas, since phones have little memory for canvases
const LARGE = 560; // images whose longer side has fewer pixels are enlarged
const at = (id) => document.getElementById(id);
let latest = 0; // number of the latest image; results for earlier images are ignored
let saved = "";

async function fetchModel() {
  const response = await fetch("page/model.json");
  const model = await response.json();
  if (!response.ok) throw new Error(model.error);
  at("name").textContent = model.name;
  document.title = `${model.name}: try the model`;
  at("version").textContent = `Version ${model.version}.`;
  showCard(at("card"), model.card);
  at("about").hidden = !model.card.length;
  return model;
}

async function predict(model, blob) {
  const body = JSON.stringify({ instances: [{ b64: await base64(blob) }] });
  if (body.length > model.max_body) {
    throw new Error("The file is too large for this server. Scale the image down, or save it as JPEG.");
  }
  const path = `v1/models/${model.name}/versions/${model.version}:predict`;
  const response = await fetch(path, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  const { error, predictions } = await response.json();
  if (!response.ok) throw new Error(error.replace(/^image 0: /, ""));
  return predictions[0];
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

async function segment(file) {
  const number = ++latest;
  const isLatest = () => number === latest;
  say(`Segmenting ${file.name} …`, true);
  at("error").hidden = true;
  try {
    const { picture, blob } = await readOriented(file);
    const model = await fetchModel();
    if (picture.width * picture.height > model.max_pixels) {
      throw new Error(`${file.name}: ${picture.width}×${picture.height} pixels, more than the ${model.max_pixels} ` +
        "that this model accepts. Scale it down.");
    }
    const began = performance.now();
    const prediction = await predict(model, blob);
    const seconds = (performance.now() - began) / 1000;
    const bytes = Uint8Array.from(atob(prediction.mask_png_bytes.b64), (character) => character.charCodeAt(0));
    const png = new Blob([bytes], { type: "image/png" });
    if (!isLatest()) return;
    await show(file, picture, model, prediction, png);
    say(`${picture.width}×${picture.height} pixels, segmented in ${seconds.toFixed(1)} s.`, false);
  } catch (error) {
    if (!isLatest()) return;
    at("result").hidden = true;
    at("status").hidden = true;
    at("error").textContent = error instanceof TypeError ? "The server does not respond. Is it still running?" : error.message;
    at("error").hidden = false;
  }
}

function say(text, busy) {
  at("status").hidden = false;
  at("status").classList.toggle("busy", busy);
  at("status").textContent = text;
}

async function show(file, picture, model, prediction, png) {
  const drawn = Math.sqrt(MAX_DRAWN / (picture.width * picture.height));
  const [width, height] = sized(at("image"), picture, Math.min(1, drawn));
  at("stage").style.width = `min(100%, ${Math.max(picture.width, LARGE)}px, ${(58 * width) / height}vh)`;
  at("image").getContext("2d").drawImage(picture, 0, 0, width, height);
  // The mask of a small image is enlarged, because the stripes would be too wide otherwise.
  const enlarged = Math.max(1, Math.ceil(LARGE / Math.max(picture.width, picture.height)));
  const ids = await classIds(png, ...sized(at("mask"), picture, Math.min(enlarged, drawn)));
  const shown = model.classes.map(() => true);
  const draw = () => drawMask(at("mask"), ids, model.classes, shown, at("patterns").checked);
  at("patterns").onchange = draw;
  at("classes").replaceChildren(
    ...model.classes.map((description, id) => row(description, prediction.class_fraction[id], (visible) => {
      shown[id] = visible;
      draw();
    })),
  );
  draw();
  at("title").textContent = file.name;
  at("confidence").textContent = `Confidence ${percent(prediction.confidence)}: the model’s mean confidence over all pixels.`;
  URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(png);
  at("save").href = saved;
  at("save").download = `${file.name.replace(/\.[^.]*$/, "")}_mask.png`;
  at("result").hidden = false;
  document.body.classList.add("small");
}

function sized(canvas, picture, scale) {
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  return [canvas.width, canvas.height];
}

function row({ name, colour, pattern }, share, show) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, autocomplete: "off" });
  box.addEventListener("change", () => show(box.checked));
  const swatch = document.createElement("i");
  swatch.className = `p${pattern}`;
  const label = document.createElement("label");
  label.append(box, swatch, name);
  const head = Object.assign(document.createElement("th"), { scope: "row" });
  head.append(label);
  const cell = Object.assign(document.createElement("td"), { textContent: percent(share) });
  const line = document.createElement("tr");
  line.style.setProperty("--tone", `rgb(${colour})`);
  line.style.setProperty("--share", `${100 * share}%`);
  line.append(head, cell);
  return line;
}

const percent = (share) => (share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(1)}%`);

at("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // otherwise the browser ignores a second choice of the same file
  if (file) segment(file);
});
at("opacity").addEventListener("input", () => at("mask").style.opacity = at("opacity").value / 100);
at("mask").style.opacity = at("opacity").value / 100;
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", over);
  });
}
document.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) segment(file);
});
fetchModel().catch((error) => {
  at("error").textContent = error.message;
  at("error").hidden = false;
});
