import { signal } from '@preact/signals';

/** Whether the list of conversations lies over the page, on narrow screens. */
export const drawer = signal(false);
