// Images as the server can read them, and as the browser shows them: TensorFlow's decoder ignores the orientation
// that cameras note (EXIF), and knows fewer formats.

const SERVED = [
  [0x89, 0x50, 0x4e, 0x47], // PNG
  [0xff, 0xd8, 0xff], // JPEG
  [0x47, 0x49, 0x46, 0x38], // GIF
  [0x42, 0x4d], // BMP
];
const ORIENTATION = 0x0112; // EXIF 2.32, tag Orientation

// Returns the picture, for the page, and the bytes to send: the file's own where the server sees them upright.
export async function readUpright(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${file.name}: this browser cannot read it as an image. PNG, JPEG, WebP, BMP and GIF will do.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const served = SERVED.some((start) => start.every((byte, i) => bytes[i] === byte));
  const kept = served && orientation(bytes) === 1;
  return { picture, blob: kept ? file : await redrawn(picture) };
}

// The orientation that is noted in the file, 1 to 8; 1 is upright, or nothing noted.
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
    if (!(error instanceof RangeError)) throw error; // the file is cut short
  }
  return 1;
}

// Where EXIF's own header begins: after "Exif\0\0" in a JPEG, or in PNG's chunk eXIf; -1 if there is none.
function exifStart(bytes) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1 << 18));
  const jpeg = text.indexOf("Exif\0\0");
  if (jpeg >= 0) return jpeg + 6;
  const png = text.indexOf("eXIf");
  return png >= 0 ? png + 4 : -1;
}

async function redrawn(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
