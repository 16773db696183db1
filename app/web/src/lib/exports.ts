/** Tables as files: stable headers, integers of the smallest unit beside decimals with a point, whatever the reader's locale. */

export type Row = Record<string, string | number | bigint | boolean>;

/** RFC 4180 with a header line. A cell that a spreadsheet would take for a formula is quoted as text. */
export function toCsv(rows: readonly Row[]): string {
  const headers = [...new Set(rows.flatMap(row => Object.keys(row)))];
  const cell = (value: Row[string] | undefined) => {
    const text = value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=@\t\r]|^[+-](?![\d.])/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [headers.join(","), ...rows.map(row => headers.map(name => cell(row[name])).join(","))].join("\r\n") + "\r\n";
}

/** Big integers as text, since JSON's numbers lose digits. */
export function toJson(value: unknown): string {
  const shown = (_: string, part: unknown) =>
    typeof part === "bigint" ? part.toString() : part instanceof Uint8Array ? Array.from(part) : part;
  return JSON.stringify(value, shown, 2) + "\n";
}

/** Hands a text over as a file. */
export function download(name: string, type: "text/csv" | "application/json", text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
