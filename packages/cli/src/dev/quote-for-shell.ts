/** Quotes text as one word for a POSIX shell, if necessary (POSIX XCU §2.2.2). */
export function quoteForShell(text: string): string {
  return /^[\w/:.,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
