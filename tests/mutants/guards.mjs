// Finds the guards in a Rust source of the program, and makes each of them ask `crate::mutants` before it refuses.

const ERROR = String.raw`MargraveError::(\w+)`;
/** Errors of arithmetic and of the program's own state: nothing a caller does is meant to lead there. */
const INTERNAL = new Set(["ValueOutOfRange", "InvariantViolated"]);
/** Checks that also return something: what they check by is instrumented, they are not. */
const VALUED = new Set(["require_side", "require_liquidator"]);

/** The source with comments and strings blanked, letter for letter. */
function mask(text) {
  const pattern = /\/\/[^\n]*|\/\*[^]*?\*\/|b?"(?:[^"\\]|\\[^])*"|b?'(?:[^'\\]|\\.)'/g;
  return text.replace(pattern, (found) => found.replace(/[^\n]/g, " "));
}

/** The end of the bracket that opens at `start`. */
function close(code, start) {
  for (let at = start, depth = 0; at < code.length; at += 1) {
    if ("([{".includes(code[at])) depth += 1;
    if (")]}".includes(code[at]) && (depth -= 1) === 0) return at + 1;
  }
  throw new Error(`unbalanced brackets: ${code.slice(start, start + 80)}`);
}

/** Where a text is cut at a separator outside of all brackets. */
function cuts(code, start, end, separator) {
  const found = [];
  for (let at = start, depth = 0; at < end; at += 1) {
    if ("([{".includes(code[at])) depth += 1;
    if (")]}".includes(code[at])) depth -= 1;
    if (depth === 0 && code.startsWith(separator, at)) found.push(at);
  }
  return found;
}

/** The pieces of a range, trimmed: [start, end] each. */
function pieces(code, start, end, separator) {
  const bounds = [start - separator.length, ...cuts(code, start, end, separator), end];
  return bounds.slice(1).map((to, index) => trim(code, bounds[index] + separator.length, to)).filter(([a, b]) => a < b);
}

function trim(code, start, end) {
  while (start < end && /\s/.test(code[start])) start += 1;
  while (start < end && /\s/.test(code[end - 1])) end -= 1;
  return [start, end];
}

/** Where the expression begins that ends in a call whose name is at `name`: `a.load()?.b.require_c(..)` at `a`. */
function receiver(code, name) {
  let at = name;
  for (;;) {
    const [dot] = trim(code, 0, at).slice(1);
    if (code[dot - 1] === "." || code.slice(dot - 2, dot) === "::") {
      at = trim(code, 0, dot - (code[dot - 1] === "." ? 1 : 2))[1];
      while (code[at - 1] === "?") at -= 1;
      if (code[at - 1] === ")" || code[at - 1] === "]") {
        let depth = 0;
        do {
          at -= 1;
          if (")]".includes(code[at])) depth += 1;
          if ("([".includes(code[at])) depth -= 1;
        } while (depth > 0);
      }
      while (/\w/.test(code[at - 1])) at -= 1;
    } else {
      return at;
    }
  }
}

/** All guards of one file. `change(id)` of each gives the replacements [start, end, text] that instrument it. */
export function guardsOf(path, source) {
  const text = source.split("#[cfg(test)]")[0];
  const code = mask(text);
  const guards = [];
  const add = (start, end, kind, change, rest = "") => {
    const what = (text.slice(start, end) + rest).replace(/\s+/g, " ").trim();
    const within = [...code.slice(0, start).matchAll(/\bfn (\w+)/g)].at(-1)?.[1];
    const place = within ? `${path} ${within}` : path;
    guards.push({ path, place, line: text.slice(0, start).split("\n").length, start, kind, what, change });
  };
  const or = (start, end) => (id) => [[start, start, "(("], [end, end, `) || crate::mutants::off(${id}))`]];

  // require!(a && b, E): each part by itself.
  for (const match of code.matchAll(/\brequire!\(/g)) {
    const open = match.index + match[0].length;
    const [[start, end], [errorStart, errorEnd]] = pieces(code, open, close(code, open - 1) - 1, ",");
    const whole = cuts(code, start, end, "||").length > 0;
    for (const [from, to] of whole ? [[start, end]] : pieces(code, start, end, "&&")) {
      add(from, to, "require", or(from, to), ` @ ${text.slice(errorStart, errorEnd)}`);
    }
  }
  for (const match of code.matchAll(/\brequire_keys_eq!\(/g)) {
    const open = match.index + match[0].length;
    const end = close(code, open - 1);
    const [a, b, error] = pieces(code, open, end - 1, ",").map(([from, to]) => text.slice(from, to));
    add(match.index, end, "require", (id) => [
      [match.index, end, `require!(${a} == ${b} || crate::mutants::off(${id}), ${error})`],
    ]);
  }

  // Anchor's constraints with an error, each on its own field.
  for (const match of code.matchAll(/\b(has_one|constraint|address) = ([^@]*?)\s*@ (\w+(?:::\w+)+)/g)) {
    const [all, kind, , error] = match;
    const start = match.index;
    const expression = text.slice(start + `${kind} = `.length, start + all.lastIndexOf("@")).trim();
    const field = code.slice(start).match(/\bpub (\w+): (Option<)?(\w+)/);
    const name = field[1];
    const data = field[3] === "AccountLoader" || field[2] ? `${name}.load()?` : name;
    const condition = {
      has_one: `${data}.${expression} == ${expression}.key()`,
      address: `${name}.key() == ${expression}`,
      constraint: expression,
    }[kind];
    const by = (id) => [[start, start + all.length, `constraint = (${condition}) || crate::mutants::off(${id}) @ ${error}`]];
    add(start, start + all.length, "constraint", by, ` of ${name}`);
  }

  // if refused { return err!(E) }, with what it logs before.
  const ifs = new Set();
  for (const match of code.matchAll(/\bif ([^{};]*) \{\s*(?:log_valuation\([^;]*;\s*)?return (err!\([^;]*\));/g)) {
    const start = match.index + 3;
    if (/\blet\b/.test(match[1])) continue;
    ifs.add(match.index + match[0].lastIndexOf("err!"));
    const change = (id) => [[start, start, "("], [start + match[1].length, start + match[1].length, `) && !crate::mutants::off(${id})`]];
    add(start, start + match[1].length, "if", change, ` @ ${match[2]}`);
  }

  // found.filter(|it| is_right(it)).ok_or(E)
  for (const match of code.matchAll(/\.filter\(\|([^|]*)\| /g)) {
    const open = match.index + ".filter".length;
    const end = close(code, open);
    const statement = code.slice(code.lastIndexOf(";", open), open);
    const after = code.slice(end).match(/^[^;]*;[^;]*;/)?.[0] ?? "";
    if (/iter/.test(statement) || !after.includes(".ok_or(MargraveError")) continue;
    const start = match.index + match[0].length;
    add(start, end - 1, "filter", or(start, end - 1), ` @ ${after.match(new RegExp(ERROR))[0]}`);
  }

  // Calls of what checks: x.require_y(..), x.count_outflow(..), and x.invariant() where it is asked of a caller's numbers. Elsewhere
  // it is asked of what the program itself has written.
  for (const match of code.matchAll(/(?<!fn )\b(require_\w+|count_outflow|invariant)\(/g)) {
    if (VALUED.has(match[1]) || (match[1] === "invariant" && !/proposal|create_group|list_underlying/.test(path))) continue;
    const start = receiver(code, match.index);
    const end = close(code, match.index + match[1].length);
    const change = (id) => [[start, start, `crate::mutants::pass(${id}, `], [end, end, ")"]];
    add(start, end, "call", change);
  }

  // Refusals that nothing can stand for: their error must matter to somebody.
  const errors = [
    [/\.ok_or\(MargraveError::(\w+)\)/g, (error) => (id) => `.ok_or_else(|| crate::mutants::refusal(${id}, ${error}))`],
    [/\.ok_or_else\(\|\| error!\(MargraveError::(\w+)\)\)/g, (error) => (id) => `.ok_or_else(|| crate::mutants::refusal(${id}, ${error}))`],
    [/\.map_err\(\|_\| (?:error!\()?MargraveError::(\w+)\)?\)/g, (error) => (id) => `.map_err(|_| crate::mutants::refusal(${id}, ${error}))`],
    [/\berr!\(MargraveError::(\w+)\)/g, (error) => (id) => `Err(crate::mutants::refusal(${id}, ${error}))`],
  ];
  for (const [pattern, by] of errors) {
    for (const match of code.matchAll(pattern)) {
      if (INTERNAL.has(match[1]) || ifs.has(match.index)) continue;
      const [start, end] = [match.index, match.index + match[0].length];
      const [from] = trim(code, Math.max(...[..."{;}"].map((mark) => code.lastIndexOf(mark, start - 1))) + 1, start);
      add(start, end, "error", (id) => [[start, end, by(`MargraveError::${match[1]}`)(id)]], ` of ${text.slice(from, start)}`);
    }
  }
  return guards.sort((a, b) => a.start - b.start);
}

/** The source with all its guards instrumented. */
export function instrument(source, guards) {
  const changes = guards.flatMap(({ change, id }) => change(id)).sort((a, b) => a[0] - b[0]);
  let [text, at] = ["", 0];
  for (const [start, end, by] of changes) {
    if (start < at || (start === at && at > 0 && text.endsWith("("))) throw new Error(`guards overlap: ${source.slice(start, end + 80)}`);
    text += source.slice(at, start) + by;
    at = end;
  }
  return text + source.slice(at);
}
