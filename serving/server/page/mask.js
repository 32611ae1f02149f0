// Draws a mask in the colours and patterns of the classes, as serving/overlay.py does.

export const IGNORE = 255; // value of pixels without a class
const STRIPE = 3; // width of a stripe in pixels
const LIGHT = 110, STRONG = 255; // opacity of the two kinds of stripes, 0 to 255; the canvas has the opacity of the mask
const STRIPES = [() => 0, (x, y) => x + y, (x, y) => x - y, (x, y) => y];
const UNDECIDED = [128, 128, 128];

// Returns the values of a grey PNG, resized by nearest neighbour, as a Uint8Array.
export async function readGrey(png, width, height) {
  const mask = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(mask, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, i) => pixels[4 * i]);
}

// Draws the mask. `shown` holds for each class id whether the class is visible; pixels of the id 255 are undecided.
export function drawMask(canvas, ids, classes, shown, patterns) {
  const context = canvas.getContext("2d");
  const drawn = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, i = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, i++) {
      if (ids[i] === IGNORE) drawn.data.set([...UNDECIDED, (x >> 1) + (y >> 1) & 1 ? LIGHT : STRONG], 4 * i);
      const { colour, pattern } = classes[ids[i]] ?? {};
      if (!colour || !shown[ids[i]]) continue;
      const stripe = Math.floor(STRIPES[patterns ? pattern : 0](x, y) / STRIPE);
      drawn.data.set([...colour, stripe % 2 ? LIGHT : STRONG], 4 * i);
    }
  }
  context.putImageData(drawn, 0, 0);
}

// Returns the class ids, with IGNORE where the confidence (0 to 255) is below the threshold.
export function decided(ids, confidence, threshold) {
  return ids.map((id, i) => (confidence[i] < threshold ? IGNORE : id));
}
