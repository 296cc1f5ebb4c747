// A zip of files that are compressed already: stored, with their checksums.
const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  for (let bit = 0; bit < 8; bit += 1) number = number & 1 ? (number >>> 1) ^ 0xedb88320 : number >>> 1;
  return number;
});

function checksum(data) {
  let sum = ~0;
  for (const byte of data) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
  return ~sum >>> 0;
}

function record(signature, fields, name) {
  const size = 4 + fields.reduce((total, [width]) => total + width, 0);
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return new Blob([view.buffer, name]);
}

/** Join [{name, blob}] into one archive; equal names get a number. */
export async function zip(files) {
  const parts = [];
  const index = [];
  const used = new Map();
  let offset = 0;
  for (const { name, blob } of files) {
    const times = used.get(name) ?? 0;
    used.set(name, times + 1);
    const path = times ? name.replace(/(\.[^.]*)?$/, `-${times + 1}$1`) : name;
    const title = new TextEncoder().encode(path);
    const sum = checksum(new Uint8Array(await blob.arrayBuffer()));
    const facts = [[2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, sum], [4, blob.size], [4, blob.size], [2, title.length], [2, 0]];
    const head = record(0x04034b50, [[2, 20], ...facts], title);
    index.push(record(0x02014b50, [[2, 20], [2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]], title));
    parts.push(head, blob);
    offset += head.size + blob.size;
  }
  const directory = new Blob(index);
  const end = [[2, 0], [2, 0], [2, index.length], [2, index.length], [4, directory.size], [4, offset], [2, 0]];
  return new Blob([...parts, directory, record(0x06054b50, end, new Uint8Array())], { type: "application/zip" });
}
