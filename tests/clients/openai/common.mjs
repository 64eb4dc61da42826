// What the JavaScript clients share: where the service is, and what is asked.
//
// FOOTNOTE_URL and FOOTNOTE_KEY name it; FOOTNOTE_COLLECTION the collection that
// holds fixtures/kb.

export const url = `${process.env.FOOTNOTE_URL.replace(/\/+$/, "")}/v1`;
export const key = process.env.FOOTNOTE_KEY;
export const wrongKey = "fn_not_a_key";
export const model = `kb/${process.env.FOOTNOTE_COLLECTION ?? "default"}`;
export const question = "How long can I use a return number before it runs out?";

/** Ends the run when something is not as it should be. */
export function check(fits, what) {
  if (!fits) {
    console.error(`FAILED: ${what}`);
    process.exit(1);
  }
  console.log(`ok: ${what}`);
}

/** An answer has words, and markers of citations in them. */
export function checkCited(text) {
  check(text.length > 20, `an answer of ${text.length} characters`);
  check(/\[\d+\]/.test(text), "a marker of a citation in the text");
}

/** The error that something ends with. */
export async function failure(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return null;
}
