import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../setup.mjs'
import { isApart } from '../test/group-files.mjs'

/**
 * The test files of a mutant in execution order, as groups that share a process: the file that killed it before, then
 * the files that it names, then those of its folders, with files named like its source first.
 */
export function orderTests({ file, tests }, killer, durations) {
  const words = basename(file, '.ts').split('-')
  const likeness = (test) => words.filter((word) => basename(test).includes(word)).length
  const length = (test) => durations.get(test) ?? 5
  const files = tests.flatMap((test) =>
    test.endsWith('.ts')
      ? [test]
      : listFiles(test).toSorted((a, b) => likeness(b) - likeness(a) || length(a) - length(b)),
  )
  const ordered = [...new Set([...(killer !== undefined && existsSync(join(root, killer)) ? [killer] : []), ...files])]
  return group(ordered)
}

function listFiles(folder) {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`)
}

function group(files) {
  const groups = []
  let last
  for (const [index, file] of files.entries()) {
    const folder = file.split('/')[1]
    // The first group is probably sufficient.
    if (index > 0 && last?.folder === folder && !isApart(file)) {
      last.files.push(file)
      continue
    }
    last = index === 0 || isApart(file) ? undefined : { folder, files: [file] }
    groups.push(last?.files ?? [file])
  }
  return groups
}
