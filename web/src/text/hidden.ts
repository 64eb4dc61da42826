// Characters that a model reads and a person does not see. A source that holds
// them is shown with them.

/** A run of a text: as it is, or a name for what cannot be seen. */
export interface Run {
  text: string;
  hidden: boolean;
}

// Tag characters, zero-width signs, direction overrides and isolates, fillers.
const HIDDEN =
  /[\u{E0000}-\u{E007F}\u{E0100}-\u{E01EF}\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0]+/gu;

/** A text in runs, with hidden characters named. */
export function reveal(text: string): Run[] {
  const runs: Run[] = [];
  let at = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > at) runs.push({ text: text.slice(at, found.index), hidden: false });
    runs.push({ text: name(found[0]), hidden: true });
    at = found.index + found[0].length;
  }
  if (at < text.length) runs.push({ text: text.slice(at), hidden: false });
  return runs;
}

function name(signs: string): string {
  const points = Array.from(signs);
  const asTags = points.map((sign) => (sign.codePointAt(0) ?? 0) - 0xe0000);
  if (asTags.every((code) => code >= 0x20 && code < 0x7f)) return `hidden: ${String.fromCharCode(...asTags)}`;
  const first = points.slice(0, 4).map((sign) => `U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase()}`);
  return first.join(' ') + (points.length > 4 ? ` and ${points.length - 4} more` : '');
}
