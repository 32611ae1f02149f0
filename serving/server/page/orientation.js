// Prepares an image for the server. TensorFlow's decoder ignores the EXIF orientation that cameras write, and
// knows fewer formats than browsers do.

const SERVED = [
  [0x89, 0x50, 0x4e, 0x47], // PNG
  [0xff, 0xd8, 0xff], // JPEG
];
const ORIENTATION = 0x0112; // EXIF 2.32, tag Orientation

// Returns the picture to show and the bytes to send: the file itself if the server decodes it to the same
// pixels, otherwise a PNG.
export async function readOriented(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${file.name}: this browser cannot read it as an image. Use PNG, JPEG, WebP, BMP or GIF.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const served = SERVED.some((start) => start.every((byte, i) => bytes[i] === byte));
  const unchanged = served && orientation(bytes) === 1;
  return { picture, blob: unchanged ? file : await toPng(picture) };
}

// Returns the EXIF orientation of the file, 1 to 8; 1 (no rotation) if the file has none.
function orientation(bytes) {
  const start = exifStart(bytes);
  if (start < 0 || start + 8 > bytes.length) return 1;
  const view = new DataView(bytes.buffer, start);
  const little = view.getUint16(0) === 0x4949;
  try {
    const directory = view.getUint32(4, little);
    const entries = view.getUint16(directory, little);
    for (let i = 0; i < entries; i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, little) === ORIENTATION) return view.getUint16(entry + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the file is truncated
  }
  return 1;
}

// Returns the position of the EXIF header: after "Exif\0\0" in a JPEG, or in the eXIf chunk of a PNG; -1 if there is none.
function exifStart(bytes) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1 << 18));
  const jpeg = text.indexOf("Exif\0\0");
  if (jpeg >= 0) return jpeg + 6;
  const png = text.indexOf("eXIf");
  return png >= 0 ? png + 4 : -1;
}

async function toPng(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
