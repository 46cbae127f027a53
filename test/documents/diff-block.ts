import assert from 'node:assert/strict'
import type { Block } from './blocks.ts'

/**
 * Applies a `diff` block to files, by their names. It begins with the name of its file: ` // guard.ts` or ` # a.yaml`. A group of removed
 * lines is replaced by the group of added lines after it; other lines separate groups.
 */
export function applyDiff({ code, line }: Block, files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [, name = ''] = /^ (?:\/\/|#) ([a-z./-]+)\n/.exec(code) ?? []
  let text = files.get(name)
  assert.ok(text !== undefined, `line ${line}: the first line names a file, such as: // guard.ts`)
  for (const [, removed = '', added = ''] of code.matchAll(/((?:^-.*\n)+)((?:^\+.*\n)*)/gm)) {
    const old = removed.replaceAll(/^-/gm, '')
    assert.equal(text.split(old).length, 2, `line ${line}: ${name} has these lines once:\n${old}`)
    text = text.replace(old, () => added.replaceAll(/^\+/gm, ''))
  }
  return new Map([...files, [name, text]])
}
