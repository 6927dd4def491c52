// The part of a page that a script writes, between two comments.
import { readFile, writeFile } from 'node:fs/promises';

const [BEGIN, END] = [/<!-- Written by .* -->\n/, /<!-- End of what is written -->/];

/** Puts `text` there; `--print` shows the page instead, for the test that it is current. */
export async function writeInto(path, text) {
  const page = await readFile(path, 'utf8');
  const begin = page.match(BEGIN);
  const head = page.slice(0, begin.index + begin[0].length);
  const written = `${head}\n${text}\n\n${page.slice(page.match(END).index)}`;
  if (process.argv.includes('--print')) process.stdout.write(written);
  else await writeFile(path, written);
}
