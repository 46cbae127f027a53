import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { readPage } from '../documents/page.ts'

/** The page whose blocks are the configurations that the tests run. */
const page = readPage('docs/behind-a-proxy.md')

/** Reads the block of the page that begins with this file name, such as `# nginx.conf`. */
export function readConfiguration(name: string): string {
  const [block, ...further] = page.blocks.filter(({ code }) => code.startsWith(`# ${name}\n`))
  assert.ok(block !== undefined && further.length === 0, `${page.name} has one block that begins with # ${name}`)
  return block.code
}

/** Replaces each text everywhere, and fails if the configuration does not contain it. */
export function fillIn(configuration: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `the configuration contains ${from}`)
    return text.replaceAll(from, to)
  }, configuration)
}

/** Returns whether the page tells to use this format of the guard. */
export function isStated(format: unknown): boolean {
  return page.text.includes(`\`format: ${inspect(format)}\``)
}
