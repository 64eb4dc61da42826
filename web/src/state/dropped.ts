/** Files in a folder that is dropped, at most. */
const MOST = 2000;

/** The files of a drop, those of folders under their paths. */
export async function filesOf(transfer: DataTransfer): Promise<{ file: File; name: string }[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found: { file: File; name: string }[] = [];
  const waiting = [...entries];
  while (waiting.length > 0 && found.length < MOST) {
    const entry = waiting.shift();
    if (entry?.isDirectory) waiting.push(...(await read(entry as FileSystemDirectoryEntry)));
    else if (entry) found.push({ file: await fileOf(entry as FileSystemFileEntry), name: entry.fullPath.replace(/^\//, '') });
  }
  return found;
}

/** A folder's entries; browsers give them in parts. */
async function read(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (part.length === 0 || all.length >= MOST) return all;
    all.push(...part.filter((entry) => !entry.name.startsWith('.')));
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((done, failed) => entry.file(done, failed));
}
