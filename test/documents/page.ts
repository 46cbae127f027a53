import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Block, readBlocks, readFileName } from './blocks.ts'

/** The root folder of the repository. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** A document whose blocks are compiled and run. */
export interface Page {
  /** Its path relative to the root of the repository. */
  readonly name: string
  readonly text: string
  readonly blocks: readonly Block[]
  /** The blocks that are run, by their file names. */
  readonly runnable: ReadonlyMap<string, Block>
}

/** Reads a document; `name` is its path relative to the root of the repository. */
export function readPage(name: string): Page {
  const text = readFileSync(join(root, name), 'utf8')
  const blocks = readBlocks(text)
  const runnable = blocks.filter(({ info }) => info === 'ts run')
  return { name, text, blocks, runnable: new Map(runnable.map((block) => [readFileName(block), block])) }
}
