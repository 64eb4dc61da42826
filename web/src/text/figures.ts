/** A size in units that can be read. */
export function bytes(size: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  let value = size;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export const whole = (value: number): string => value.toLocaleString('en');

export function dollars(value: number | null): string {
  if (value === null) return 'unknown';
  return value === 0 ? '$0' : value < 0.01 ? '< $0.01' : `$${value.toFixed(2)}`;
}

export function date(time: string | null): string {
  return time ? new Date(time).toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' }) : 'never';
}

export function moment(time: string | null): string {
  return time ? new Date(time).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' }) : 'never';
}
