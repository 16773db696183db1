// A WebAssembly module without its custom sections, which no engine needs: node strip.mjs FROM TO
import { readFileSync, writeFileSync } from "node:fs";

const [from, to] = process.argv.slice(2);
const bytes = readFileSync(from);
const kept = [bytes.subarray(0, 8)];
for (let at = 8; at < bytes.length; ) {
  // A section is its number, its length in seven bits to the byte, and so many bytes.
  let [length, shift, next] = [0, 0, at + 1];
  do {
    length |= (bytes[next] & 0x7f) << shift;
    shift += 7;
  } while (bytes[next++] >= 0x80);
  if (bytes[at] !== 0) kept.push(bytes.subarray(at, next + length));
  at = next + length;
}
writeFileSync(to, Buffer.concat(kept));
