// What a first visit loads, compressed: the page, its scripts and styles, the landing page's chunk, the worker and the engine. The font and
// the charts come later and are not counted. Fails above the budget. Run after a build.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { resolve } from "node:path";

const BUDGET = 400_000;
const LANDING = "src/pages/portfolio.tsx";
const dist = resolve(import.meta.dirname, "../dist");
const manifest = JSON.parse(readFileSync(resolve(dist, ".vite/manifest.json"), "utf8"));

const files = new Set(["index.html"]);
function add(key) {
  const { file, css = [], imports = [] } = manifest[key];
  if (files.has(file)) return;
  for (const each of [file, ...css]) files.add(each);
  imports.forEach(add);
}
add("index.html");
add(LANDING);
const loaded = /^margrave-.*[.]wasm$|worker.*[.]js$/;
const named = readdirSync(resolve(dist, "assets")).filter(name => loaded.test(name));
if (named.length !== 2) throw new Error(`The engine and its worker are ${named.join(", ") || "missing"}: build first`);
for (const name of named) files.add(`assets/${name}`);

const sizeOf = name => gzipSync(readFileSync(resolve(dist, name)), { level: 9 }).length;
const sizes = [...files].map(name => [name, sizeOf(name)]).sort((a, b) => b[1] - a[1]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
const kilobytes = size => `${(size / 1000).toFixed(1).padStart(8)} kB`;
for (const [name, size] of sizes) console.log(`${kilobytes(size)}  ${name}`);
console.log(`${kilobytes(total)}  first load, of ${BUDGET / 1000} kB`);
if (total > BUDGET) process.exit(1);
