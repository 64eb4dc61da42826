import type { VNode } from 'preact';

const PATHS = {
  archive: 'M3 4h14v4H3zM4.5 8v8h11V8M8 11h4',
  ask: 'M3.5 4h13v9.5H10L6.5 17v-3.5h-3zM7 8.75h.01M10 8.75h.01M13 8.75h.01',
  back: 'M12.5 4.5 7 10l5.5 5.5',
  book: 'M4 4.5A1.5 1.5 0 0 1 5.5 3H16v12H5.5A1.5 1.5 0 0 0 4 16.5zM4 16.5A1.5 1.5 0 0 0 5.5 18H16v-3',
  check: 'm4.5 10.5 3.5 3.5 7.5-8',
  close: 'm5 5 10 10M15 5 5 15',
  copy: 'M7 7h9v9H7zM13 7V4H4v9h3',
  down: 'M10 4v12m-5-5 5 5 5-5',
  download: 'M10 3v9m-4-4 4 4 4-4M4 16h12',
  edit: 'm12.5 4.5 3 3L7 16H4v-3zM11 6l3 3',
  gear: 'M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M10 2.5v2m0 11v2m7.5-7.5h-2m-11 0h-2m12.8-5.3-1.4 1.4m-7.8 7.8-1.4 1.4m10.6 0-1.4-1.4M6.1 6.1 4.7 4.7',
  menu: 'M3 5.5h14M3 10h14M3 14.5h14',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  next: 'M7.5 4.5 13 10l-5.5 5.5',
  picture: 'M3.5 4h13v12h-13zM4 14.5l4-4 3 3 2-2 3.5 3.5M12.5 7.6h.01',
  plus: 'M10 4v12M4 10h12',
  redo: 'M15.5 8A6 6 0 1 0 16 11M16 4v4h-4',
  search: 'M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11m4 9.5 4 4',
  send: 'M10 16V4m-5 5 5-5 5 5',
  share: 'M7 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M2.5 16c.4-2.7 2.3-4 4.5-4s4.1 1.3 4.5 4M15 7v6m-3-3h6',
  shield: 'M10 2.5 16 5v4.5c0 3.7-2.4 6.3-6 8-3.6-1.7-6-4.3-6-8V5z',
  stop: 'M5.5 5.5h9v9h-9z',
  trash: 'M4 6h12M8 6V4h4v2m-6.5 0 .7 10h7.6l.7-10',
  thumb_down: 'M6 11V4h7.5l2 7H11v3.5a1.5 1.5 0 0 1-1.5 1.5L7 11zM6 11H3.5V4H6',
  thumb_up: 'M6 9v7h7.5l2-7H11V5.5A1.5 1.5 0 0 0 9.5 4L7 9zM6 9H3.5v7H6',
  upload: 'M10 13V4M6 8l4-4 4 4M4 16h12',
  user: 'M10 3.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M4 16.5c.5-3 3-4.5 6-4.5s5.5 1.5 6 4.5',
  chart: 'M4 16V9m4 7V4m4 12v-5m4 5V7',
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing beside words, or in a button that has a name of its own. */
export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill={name === 'stop' ? 'currentColor' : 'none'} stroke="currentColor" stroke-width={name === 'more' ? 2.4 : 1.6} stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
