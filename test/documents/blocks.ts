/** A fenced block of a Markdown document. */
export interface Block {
  /** The text after the opening fence: `ts run`, `sh run openssl`, `text printed by explain.ts`. */
  readonly info: string
  readonly code: string
  /** The line of the opening fence, starting at 1, for error messages. */
  readonly line: number
}

/** Reads the fenced blocks of a document in order. */
export function readBlocks(markdown: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { readonly info: string; readonly line: number; readonly code: string[] } | undefined
  for (const [index, text] of markdown.split('\n').entries()) {
    if (open !== undefined && text === '```') {
      blocks.push({ info: open.info, line: open.line, code: open.code.map((line) => `${line}\n`).join('') })
      open = undefined
    } else if (open !== undefined) open.code.push(text)
    else if (text.startsWith('```')) open = { info: text.slice(3).trim(), line: index + 1, code: [] }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the block is never closed`)
  return blocks
}

/** The file name in the first line of a block: `// app.ts`. */
export function readFileName({ code, line }: Block): string {
  const [, name] = /^\/\/ ([a-z][a-z0-9.-]*\.ts)\n/.exec(code) ?? []
  if (name === undefined) throw new Error(`line ${line}: found no file name, expected a first line such as // app.ts`)
  return name
}

/** The expected output of a block: the comments after each `console.log(…)`. */
export function readPrinted({ code }: Block): readonly string[] {
  return [...code.matchAll(/^console\.log\(.*\) \/\/ (.+)$/gm)].map(([, printed = '']) => printed)
}

/** The program that a shell block needs: `sh run openssl`. */
export function readProgram({ info, line }: Block): string {
  const [, program] = /^sh run ([a-z]+)$/.exec(info) ?? []
  if (program === undefined) throw new Error(`line ${line}: found '${info}', expected such as: sh run openssl`)
  return program
}
