import { readOriented } from "./orientation.js";
import { IGNORE, decided, drawMask, readGrey } from "./mask.js";
import { showCard } from "./card.js";
import { writeGrey } from "./png.js";

const MAX_DRAWN = 2e6; // maximum number of pixels of a canvas, since phones have little memory for canvases
const MOST_UNSORTED = 12; // classes; with more, those with the largest shares come first
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
    if (!isLatest()) return;
    await show(file, picture, model, prediction);
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

async function show(file, picture, model, prediction) {
  const scale = Math.sqrt(MAX_DRAWN / (picture.width * picture.height));
  const [width, height] = sized(at("image"), picture, Math.min(1, scale));
  at("stage").style.width = `min(100%, ${Math.max(picture.width, LARGE)}px, ${(58 * width) / height}vh)`;
  at("image").getContext("2d").drawImage(picture, 0, 0, width, height);
  // The mask of a small image is enlarged, because the stripes would be too wide otherwise.
  const enlarged = Math.max(1, Math.ceil(LARGE / Math.max(picture.width, picture.height)));
  const size = sized(at("mask"), picture, Math.min(enlarged, scale));
  const png = pngOf(prediction.mask_png_bytes);
  // Only models with serving.confidence_map tell the confidence of each pixel.
  const confidencePng = prediction.confidence_png_bytes && pngOf(prediction.confidence_png_bytes);
  const ids = await readGrey(png, ...size);
  const confidence = confidencePng && await readGrey(confidencePng, ...size);
  const shown = model.classes.map(() => true);
  const drawn = { ids };
  const lines = model.classes.map((description, id) => row(description, (visible) => {
    shown[id] = visible;
    draw();
  }));
  const draw = () => {
    const limit = threshold();
    const found = limit ? decided(ids, confidence, limit) : ids;
    drawMask(at("mask"), found, model.classes, shown, at("patterns").checked);
    const shares = limit ? sharesOf(found) : prediction.class_fraction;
    lines.forEach((line, id) => setShare(line, shares[id] ?? 0));
    if (lines.length > MOST_UNSORTED) {
      const order = [...lines.keys()].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0) || a - b);
      if (!at("classes").contains(document.activeElement)) at("classes").append(...order.map((id) => lines[id]));
    }
    drawn.ids = found;
    setShare(at("undecided").rows[0], shares[IGNORE] ?? 0);
    at("undecided").hidden = !limit;
  };
  at("patterns").onchange = draw;
  at("classes").replaceChildren(...lines);
  at("list").classList.toggle("long", lines.length > MOST_UNSORTED);
  at("stage").onpointermove = (event) => {
    const box = at("mask").getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const [column, line] = [Math.floor(x / box.width * size[0]), Math.floor(y / box.height * size[1])];
    const description = model.classes[drawn.ids[line * size[0] + column]];
    at("under").textContent = description?.name ?? "undecided";
    at("under").hidden = false;
  };
  at("threshold").value = 0;
  at("limit").textContent = "0%";
  at("doubt").hidden = !confidence;
  at("threshold").oninput = () => {
    at("limit").textContent = `${at("threshold").value}%`;
    draw();
  };
  at("threshold").onchange = async () => {
    const limit = threshold();
    const file = limit ? await undecidedPng(png, confidencePng, picture, limit) : png;
    if (limit === threshold()) offer(file);
  };
  draw();
  offer(png);
  at("title").textContent = file.name;
  at("confidence").textContent = `Confidence ${percent(prediction.confidence)}: the model’s mean confidence over all pixels.`;
  at("save").download = `${file.name.replace(/\.[^.]*$/, "")}_mask.png`;
  at("result").hidden = false;
  document.body.classList.add("small");
}

function pngOf({ b64 }) {
  const bytes = Uint8Array.from(atob(b64), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

// Returns the threshold in the unit of a confidence map, 0 to 255.
const threshold = () => 2.55 * at("threshold").value;

// Makes the mask at the size of the image, in which undecided pixels have no class.
async function undecidedPng(png, confidencePng, { width, height }, limit) {
  const [ids, confidence] = await Promise.all([png, confidencePng].map((each) => readGrey(each, width, height)));
  return writeGrey(decided(ids, confidence, limit), width, height);
}

function offer(png) {
  URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(png);
  at("save").href = saved;
}

function sharesOf(ids) {
  const shares = new Float64Array(IGNORE + 1);
  for (const id of ids) shares[id] += 1 / ids.length;
  return shares;
}

function setShare(line, share) {
  line.lastElementChild.textContent = percent(share);
  line.style.setProperty("--share", `${100 * share}%`);
}

function sized(canvas, picture, scale) {
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  return [canvas.width, canvas.height];
}

function row({ name, colour, pattern }, show) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, autocomplete: "off" });
  box.addEventListener("change", () => show(box.checked));
  const swatch = document.createElement("i");
  swatch.className = `p${pattern}`;
  const label = document.createElement("label");
  label.append(box, swatch, name);
  const head = Object.assign(document.createElement("th"), { scope: "row" });
  head.append(label);
  const line = document.createElement("tr");
  line.style.setProperty("--tone", `rgb(${colour})`);
  line.append(head, document.createElement("td"));
  return line;
}

const percent = (share) => (share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(1)}%`);

at("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // otherwise the browser ignores a second choice of the same file
  if (file) segment(file);
});
at("stage").addEventListener("pointerleave", () => at("under").hidden = true);
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
