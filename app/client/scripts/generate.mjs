// Generates src/generated from the program's interface with Codama.
//
//   node scripts/generate.mjs            compares with what is committed, and fails when it differs
//   node scripts/generate.mjs --write    writes it
import { rootNodeFromAnchor } from "@codama/nodes-from-anchor";
import { renderVisitor } from "@codama/renderers-js";
import { address, getProgramDerivedAddress } from "@solana/kit";
import { createFromRoot, publicKeyValueNode, setInstructionAccountDefaultValuesVisitor } from "codama";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";

const client = dirname(dirname(fileURLToPath(import.meta.url)));
const committed = join(client, "src/generated");
const idl = JSON.parse(readFileSync(join(client, "../../idl/margrave.json"), "utf8"));
const prettierOptions = { ...JSON.parse(readFileSync(join(client, "../package.json"), "utf8")).prettier, parser: "typescript" };

const work = mkdtempSync(join(tmpdir(), "margrave-client-"));
const made = join(work, "src/generated");
try {
  await generate();
  if (process.argv[2] === "--write") {
    rmSync(committed, { recursive: true, force: true });
    cpSync(made, committed, { recursive: true });
    console.error(`${files(made).length} generated files written`);
  } else {
    const differing = differences();
    if (differing.length > 0) {
      console.error(`src/generated is not what idl/margrave.json says:\n  ${differing.join("\n  ")}\n  ./dev ts --write`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function generate() {
  // Events stay among the types, and their codecs are tabled below: this renderer has none for events.
  const { events, ...rest } = structuredClone(idl);
  // A seed that is a field of an account goes by that account's name, which another seed may have.
  for (const account of rest.instructions.flatMap(instruction => instruction.accounts)) {
    const paths = (account.pda?.seeds ?? []).flatMap(seed => seed.path ?? []);
    if (new Set(paths).size < paths.length) delete account.pda;
  }
  const codama = createFromRoot(rootNodeFromAnchor(rest));
  const [eventAuthority] = await getProgramDerivedAddress({ programAddress: address(idl.address), seeds: ["__event_authority"] });
  codama.update(
    setInstructionAccountDefaultValuesVisitor([
      { account: "eventAuthority", defaultValue: publicKeyValueNode(eventAuthority) },
      { account: "program", defaultValue: publicKeyValueNode(idl.address) },
    ]),
  );
  await codama.accept(
    renderVisitor(work, {
      dependencyVersions: { "@solana/kit": "^7.0.0" },
      kitImportStrategy: "rootOnly",
      prettierOptions,
      syncPackageJson: false,
    }),
  );
  writeFileSync(join(made, "events.ts"), await format(eventTable(events), prettierOptions));
  writeFileSync(join(made, "errors/table.ts"), await format(errorTable(), prettierOptions));
  files(made).forEach(nameModules);
}

/** One line per event: name, discriminator and decoder. */
function eventTable(events) {
  const header = `// Generated from idl/margrave.json by scripts/generate.mjs.\nimport type { Decoder } from "@solana/kit";\n`;
  const names = events.map(event => event.name);
  const imports = names.map(name => `get${name}Decoder, type ${name},`).join("\n");
  const rows = events.map(
    ({ name, discriminator }) => `{ name: "${name}", discriminator: [${discriminator}], decoder: get${name}Decoder },`,
  );
  return `${header}import { ${imports} } from "./types";
/** Every event by its name. */
export type MargraveEvents = { ${names.map(name => `${name}: ${name};`).join("\n")} };
export type MargraveEventName = keyof MargraveEvents;
type Row = { [N in MargraveEventName]: { name: N; discriminator: readonly number[]; decoder: () => Decoder<MargraveEvents[N]> } }[MargraveEventName];
export const MARGRAVE_EVENTS: readonly Row[] = [${rows.join("\n")}];\n`;
}

/** Error numbers with their names and sentences: the renderer's own messages are left out of production builds. */
function errorTable() {
  const { errors, topics } = JSON.parse(readFileSync(join(client, "../../idl/remedies.json"), "utf8"));
  const rows = idl.errors.map(({ code, name, msg }) => {
    const remedy = errors[name] ?? topics[Math.floor(code / 100) * 100];
    return `${code}: { name: "${name}", sentence: ${JSON.stringify(msg)}, remedy: ${JSON.stringify(remedy)} },`;
  });
  return `// Generated from idl/margrave.json and idl/remedies.json by scripts/generate.mjs.
export const MARGRAVE_ERRORS = { ${rows.join("\n")} } as const;\n`;
}

/** Relative imports by file name, as Node resolves them. */
function nameModules(file) {
  const named = readFileSync(file, "utf8").replace(/from "(\.[^"]*)";/g, (_, path) => {
    const folder = existsSync(join(dirname(file), path)) && statSync(join(dirname(file), path)).isDirectory();
    return `from "${path}${folder ? "/index" : ""}.js";`;
  });
  writeFileSync(file, named);
}

function files(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
  return names.map(name => join(folder, name)).filter(path => statSync(path).isFile());
}

function differences() {
  const text = (folder, name) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined);
  const names = new Set([
    ...files(made).map(path => relative(made, path)),
    ...files(committed).map(path => relative(committed, path)),
  ]);
  return [...names].filter(name => text(made, name) !== text(committed, name)).sort();
}
