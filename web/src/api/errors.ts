/** What went wrong, in the service's words where it gave some. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when nothing answered. */
    readonly status: number,
    /** Stable code, `kind:surface`. */
    readonly code: string,
    message: string,
    /** Names the request in the service's log. */
    readonly requestId: string | null = null,
    /** Seconds after which it may be tried again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Whether trying again may help. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The error that a reply tells. */
export async function errorOf(response: Response): Promise<ApiError> {
  const id = response.headers.get('x-request-id');
  const after = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  const retryAfter = Number.isFinite(after) ? after : null;
  try {
    const body = (await response.json()) as { error?: { code?: string; message?: string } };
    const message = body.error?.message;
    if (message) {
      return new ApiError(response.status, body.error?.code ?? 'internal:service', sentence(message), id, retryAfter);
    }
  } catch {
    // No envelope: something between this page and the service answered.
  }
  return new ApiError(response.status, 'internal:service', `The service answered ${response.status}.`, id, retryAfter);
}

/** What to show of anything that was thrown. */
export function describe(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Whether somebody stopped it on purpose. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** A message of the service as a sentence. */
export function sentence(message: string): string {
  const first = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
