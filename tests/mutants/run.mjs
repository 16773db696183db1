// Switches the program's guards off one at a time and checks that a test notices.
//
//   ./dev mutants [TEXT]      only guards whose place or text contains TEXT
//
// A guard is a part of a require!(..), an Anchor constraint with an error, a call of a check (x.require_y(..), x.invariant()), or
// another refusal with an error of the program's own. A copy of the program in which every guard has a number and a switch
// (guards.mjs, switch.rs) is compiled once. All the tests run on it and record which guards refuse in which test; then each guard
// is switched off in the compiled file, and the tests in which it refuses run until one fails. A survivor is a guard that refuses
// in no test, or that none misses. Those in allowed.txt are expected, each with the reason why.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { guardsOf, instrument } from "./guards.mjs";

const [root, work, testBinary, filter = ""] = process.argv.slice(2);
const here = join(root, "tests/mutants");
const program = "programs/margrave/src";
const started = Date.now();
const seconds = () => Math.round((Date.now() - started) / 1000);

/** Every file below a folder. */
function files(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

// The copy: as much of the workspace as the program needs. What has not changed is not written, so it is not compiled again.
const copy = new Map();
for (const part of ["programs/margrave", "crates/risk"]) {
  for (const file of [join(root, part, "Cargo.toml"), ...files(join(root, part, "src"))]) {
    copy.set(relative(root, file), readFileSync(file, "utf8"));
  }
}
copy.set("Cargo.lock", readFileSync(join(root, "Cargo.lock"), "utf8"));
const members = 'members = ["programs/margrave", "crates/risk"]';
copy.set("Cargo.toml", readFileSync(join(root, "Cargo.toml"), "utf8").replace(/^members = .*$/m, members));

const guards = [];
for (const [path, source] of copy) {
  if (!path.startsWith(program)) continue;
  const found = guardsOf(relative(program, path), source);
  for (const guard of found) guard.id = guards.push(guard) - 1;
  copy.set(path, instrument(source, found));
}
copy.set(`${program}/mutants.rs`, readFileSync(join(here, "switch.rs"), "utf8"));
copy.set(`${program}/lib.rs`, copy.get(`${program}/lib.rs`).replace(/^pub mod /m, "pub mod mutants;\n$&"));

const src = join(work, "src");
mkdirSync(src, { recursive: true });
for (const file of files(src)) if (!copy.has(relative(src, file))) rmSync(file);
for (const [path, text] of copy) {
  const file = join(src, path);
  if (existsSync(file) && (path === "Cargo.lock" || readFileSync(file, "utf8") === text)) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
console.log(`${guards.length} guards in the program; compiling it with a switch for each`);
const env = { ...process.env, CARGO_TARGET_DIR: join(work, "target"), RUST_BACKTRACE: "0", RUST_LOG: "off" };
try {
  execFileSync("cargo-build-sbf", ["--manifest-path", join(src, "programs/margrave/Cargo.toml")], { env, stdio: "pipe" });
} catch (error) {
  console.error(error.stderr.toString());
  process.exit(1);
}
const compiled = readFileSync(join(work, "target/deploy/margrave.so"));
const mark = Buffer.from("margrave mutant:");
const switchAt = compiled.indexOf(mark) + mark.length;
if (switchAt < mark.length || compiled.indexOf(mark, switchAt) >= 0) throw new Error("the compiled program has not one switch");

/** The folder of a compiled program with a guard off. */
function programWithout(id, name) {
  const bytes = Buffer.from(compiled);
  bytes.writeUInt16LE(id, switchAt);
  mkdirSync(join(work, name), { recursive: true });
  writeFileSync(join(work, name, "margrave.so"), bytes);
  return join(work, name);
}

/** Whether the tests pass with the program of a folder, and what they say. */
function test(args, folder, more = {}) {
  const program = { MARGRAVE_SO: join(folder, "margrave.so"), SBF_OUT_DIR: folder };
  const options = { env: { ...env, ...program, ...more }, maxBuffer: 1 << 28, timeout: 1_800_000 };
  return new Promise((done) => execFile(testBinary, args, options, (error, out) => done([!error, out])));
}

// Which guard refuses in which test. A file's lines are "test guard".
console.log(`Recording which guard refuses in which test (${seconds()} s)`);
const record = join(work, "refusals");
rmSync(record, { force: true });
// Those do not run this program, or walk as many paths as a minute allows.
const skip = ["conformance::", "docs::", "engine::", "layout::", "pair::an_owner"].flatMap((name) => ["--skip", name]);
// How long each takes is an unstable answer of the test harness.
const timed = ["-Zunstable-options", "--report-time"];
const recording = { MARGRAVE_REFUSALS: record, RUSTC_BOOTSTRAP: "1" };
const [passed, output] = await test([...timed, ...skip], programWithout(0xffff, "all-on"), recording);
if (!passed) {
  console.error(`${output}\nThe tests fail with all guards on.`);
  process.exit(1);
}
const testsOf = guards.map(() => new Set());
for (const line of readFileSync(record, "utf8").trim().split("\n")) {
  const [name, id] = line.split(" ");
  testsOf[id].add(name);
}
const times = new Map([...output.matchAll(/^test (\S+) \.\.\. ok <([\d.]+)s>$/gm)].map(([, name, time]) => [name, Number(time)]));

/** The test of all instructions' accounts. It takes long, and each of its rows is of one instruction. */
const access = "access::every_account_of_every_instruction_is_the_right_one_or_is_refused";

/** Which tests to run for a guard, in runs of a second, four seconds and so on; those that take longest last. */
function runsFor(guard) {
  const timeOf = (test) => times.get(test) ?? 0;
  const runs = [];
  let [room, most] = [0, 1];
  for (const test of [...testsOf[guard.id]].sort((a, b) => timeOf(a) - timeOf(b))) {
    if (runs.length === 0 || timeOf(test) > room) {
      runs.push({ tests: [], more: {} });
      [room, most] = [most, most * 4];
    }
    runs.at(-1).tests.push(test);
    room -= timeOf(test);
  }
  const row = guard.path.match(/^instructions\/\w+\/(\w+)\.rs$/)?.[1];
  const at = runs.findIndex(({ tests }) => tests.includes(access));
  if (row && at >= 0) runs.splice(at, 0, { tests: [access], more: { MARGRAVE_ROW: row } });
  return runs;
}

/** Whether a test fails without the guard. */
async function isCaught(guard, name) {
  const folder = programWithout(guard.id, name);
  for (const { tests, more } of runsFor(guard)) {
    const [passed] = await test(["--quiet", "--exact", "--test-threads=1", ...tests], folder, more);
    if (!passed) return true;
  }
  return false;
}

/** What a guard is called. Lines of allowed.txt are such names; what begins with # is a reason. */
const nameOf = (guard) => `${guard.place}: ${guard.what}`;
const lines = readFileSync(join(here, "allowed.txt"), "utf8").split("\n");
const allowed = new Set(lines.filter((line) => line && !line.startsWith("#")));

const chosen = guards.filter((guard) => nameOf(guard).includes(filter));
const [survivors, unexpected] = [new Set(), []];
const queue = chosen.entries();
console.log(`Switching ${chosen.length} guards off, one at a time (${seconds()} s)`);
async function switchOff(_, worker) {
  for (const [index, guard] of queue) {
    if (!(await isCaught(guard, `off-${worker}`))) {
      survivors.add(nameOf(guard));
      if (!allowed.has(nameOf(guard))) {
        unexpected.push(guard);
        const refused = [...testsOf[guard.id]].slice(0, 3).join(", ");
        const why = refused ? `refuses in ${refused}, which do not miss it` : "refuses in no test";
        console.log(`SURVIVED  ${nameOf(guard)}\n          line ${guard.line}, ${why}`);
      }
    }
    if ((index + 1) % 50 === 0) console.log(`  ${index + 1} of ${chosen.length} (${seconds()} s)`);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, switchOff));

// A guard is allowed to survive for as long as it does.
const stale = filter ? [] : [...allowed].filter((name) => !survivors.has(name));
for (const name of stale) console.log(`NOT A SURVIVOR, but in allowed.txt: ${name}`);
const expected = [...survivors].filter((name) => allowed.has(name)).length;
console.log(`${chosen.length} guards, of which no test misses ${unexpected.length}, and ${expected} that allowed.txt names (${seconds()} s)`);
process.exit(unexpected.length + stale.length > 0 ? 1 : 0);
