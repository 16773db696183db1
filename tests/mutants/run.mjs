// Removes the program's guards one at a time and checks that a test notices.
//
//   ./dev mutants [TEXT]      only guards whose place or text contains TEXT
//
// A guard is a require!(..), a require_keys_eq!(..) or an Anchor constraint with an error of ours. Each mutant is compiled
// to SBF in a copy of the sources; the tests run unchanged on it. A survivor is a guard without a test. Half a minute each.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [root, work, testBinary, filter = ""] = process.argv.slice(2);

/** Every .rs file below a folder. */
function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : path.endsWith(".rs") ? [path] : [];
  });
}

/** The end of a bracketed expression that opens at `start`. */
function close(text, start) {
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    if (text[i] === "(") depth += 1;
    if (text[i] === ")" && (depth -= 1) === 0) return i + 1;
  }
  throw new Error("unbalanced brackets");
}

/** The guards of one file: where they stand and what replaces them. */
function guards(file, text) {
  const code = text.split("#[cfg(test)]")[0];
  const found = [];
  for (const match of code.matchAll(/require(_keys_eq)?!\(/g)) {
    found.push({ start: match.index, end: close(code, match.index + match[0].length - 1), by: "()" });
  }
  // has_one = x @ Error,   constraint = .. @ Error,   address = .. @ Error
  for (const match of code.matchAll(/(has_one|constraint|address) = [^@]*?@ MargraveError::\w+,?/gs)) {
    found.push({ start: match.index, end: match.index + match[0].length, by: "" });
  }
  return found.map((guard) => {
    const line = code.slice(0, guard.start).split("\n").length;
    const what = code.slice(guard.start, guard.end).replace(/\s+/g, " ");
    return { ...guard, file, place: `${file.slice(root.length + 1)}:${line}`, what };
  });
}

const program = join(root, "programs/margrave/src");
const all = sources(program).flatMap((file) => guards(file, readFileSync(file, "utf8")));
const chosen = all.filter((guard) => `${guard.place} ${guard.what}`.includes(filter));
console.log(`${chosen.length} of ${all.length} guards`);

rmSync(join(work, "src"), { recursive: true, force: true });
mkdirSync(join(work, "src"), { recursive: true });
for (const part of ["Cargo.toml", "Cargo.lock", "programs", "crates", "tests", "toolchain"]) {
  cpSync(join(root, part), join(work, "src", part), { recursive: true });
}
const env = { ...process.env, CARGO_TARGET_DIR: join(work, "target") };
const so = join(work, "target/deploy/margrave.so");

const survivors = [];
for (const [index, guard] of chosen.entries()) {
  const text = readFileSync(guard.file, "utf8");
  const copy = join(work, "src", guard.file.slice(root.length + 1));
  writeFileSync(copy, text.slice(0, guard.start) + guard.by + text.slice(guard.end));
  const label = `${index + 1}/${chosen.length} ${guard.place} ${guard.what.slice(0, 90)}`;
  const built = spawnSync("cargo-build-sbf", ["--manifest-path", join(work, "src/programs/margrave/Cargo.toml")], { env, encoding: "utf8" });
  writeFileSync(copy, text);
  if (built.status !== 0) {
    console.log(`does not compile  ${label}`);
    continue;
  }
  const skip = ["conformance", "docs", "layout", "program_test"].flatMap((name) => ["--skip", name]);
  const tested = spawnSync(testBinary, ["--quiet", ...skip], { env: { ...env, MARGRAVE_SO: so }, encoding: "utf8" });
  const caught = tested.status !== 0;
  console.log(`${caught ? "caught          " : "SURVIVED        "}  ${label}`);
  if (!caught) survivors.push(label);
}
console.log(`\n${survivors.length} survivors`);
for (const survivor of survivors) console.log(survivor);
process.exit(survivors.length > 0 ? 1 : 0);
