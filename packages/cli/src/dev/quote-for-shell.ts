/** A word that a POSIX shell reads as this text: in quotes where it has to be (POSIX XCU §2.2.2). */
export function quoteForShell(text: string): string {
  return /^[\w/:.,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
