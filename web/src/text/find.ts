// Finding a quote in the text of a PDF page. Two readers of a PDF agree on its
// letters, hardly on spaces, hyphens and ligatures: so letters and digits count.

/** A range of one piece of a page's text, in UTF-16 units. */
export interface Found {
  piece: number;
  start: number;
  end: number;
}

interface Letter {
  piece: number;
  at: number;
  units: number;
}

/** Letters of which a part of a quote must consist to be found at all. */
const LEAST = 16;

/** Where a quote stands in a page's pieces; its beginning or its end where it goes beyond the page. */
export function findQuote(pieces: readonly string[], quote: string): Found[] {
  const letters: Letter[] = [];
  let page = '';
  pieces.forEach((text, piece) => {
    let at = 0;
    for (const sign of text) {
      for (const letter of fold(sign)) {
        page += letter;
        for (let unit = 0; unit < letter.length; unit++) letters.push({ piece, at, units: sign.length });
      }
      at += sign.length;
    }
  });
  const wanted = Array.from(quote, fold).join('');
  const place = placeOf(page, wanted);
  return place ? ranges(letters.slice(place[0], place[1])) : [];
}

function fold(sign: string): string {
  return sign.normalize('NFKC').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

function placeOf(page: string, wanted: string): [number, number] | null {
  if (wanted === '') return null;
  const whole = page.indexOf(wanted);
  if (whole >= 0) return [whole, whole + wanted.length];
  const least = Math.min(LEAST, wanted.length);
  const head = longest(wanted.length, (length) => page.includes(wanted.slice(0, length)));
  const tail = longest(wanted.length, (length) => page.includes(wanted.slice(wanted.length - length)));
  if (Math.max(head, tail) < least) return null;
  const part = head >= tail ? wanted.slice(0, head) : wanted.slice(wanted.length - tail);
  const at = page.indexOf(part);
  return [at, at + part.length];
}

/** The longest length that holds, where each shorter one holds too. */
function longest(most: number, holds: (length: number) => boolean): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function ranges(letters: readonly Letter[]): Found[] {
  const found: Found[] = [];
  for (const { piece, at, units } of letters) {
    const last = found.at(-1);
    if (last?.piece === piece) last.end = at + units;
    else found.push({ piece, start: at, end: at + units });
  }
  return found;
}
