import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fail, root } from '../setup.mjs'
import { readMutants } from './read-mutants.mjs'

/** Selects the mutants from the command line. */
export function selectMutants(given) {
  const known = /^--(?:changed(?:=.+)?|fresh|list|concurrency=[1-9]\d*)$/
  const unknown = given.find((argument) => argument.startsWith('-') && !known.test(argument))
  if (unknown !== undefined)
    fail(`${unknown} is unknown, expected --changed[=revision], --fresh, --list, --concurrency=n or words.`)
  const words = given.filter((argument) => !argument.startsWith('-'))
  const changed = given.find((argument) => argument.startsWith('--changed'))
  const files = changed === undefined ? undefined : listChanged(changed.split('=')[1] ?? 'main')
  const mutants = readMutants().filter(
    ({ file }) =>
      (words.length === 0 || words.some((word) => file.includes(word))) && (files === undefined || files.has(file)),
  )
  const concurrency = given.find((argument) => argument.startsWith('--concurrency='))?.split('=')[1]
  return {
    mutants,
    isFresh: given.includes('--fresh'),
    isList: given.includes('--list'),
    concurrency: concurrency === undefined ? availableParallelism() : Number(concurrency),
  }
}

/** The files that differ from the branch point of a revision, committed or not. */
function listChanged(revision) {
  try {
    const base = git('merge-base', revision, 'HEAD')
    return new Set(git('diff', '--name-only', base).split('\n'))
  } catch {
    return fail(`git finds no common ancestor of this branch and the revision ${revision}.`)
  }
}

function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
}
