/** The cells of each row of the table whose first line has this prefix. */
export function readTable(markdown: string, head: string): readonly (readonly string[])[] {
  const lines = markdown.split('\n')
  const first = lines.findIndex((line) => line.startsWith(head))
  if (first === -1) throw new Error(`found no table that begins with ${head}`)
  const rest = lines.slice(first + 2)
  const end = rest.findIndex((line) => !line.startsWith('|'))
  return rest.slice(0, end === -1 ? rest.length : end).map((row) =>
    row
      .slice(1, row.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim()),
  )
}
